#include "weights/tar.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

namespace graft::weights {
namespace {

constexpr int64_t kBlock = 512;
constexpr size_t kMaxMembers = 64;

// Text of a header field up to its NUL.
std::string_view field(std::string_view header, size_t offset, size_t bytes) {
  std::string_view raw = header.substr(offset, bytes);
  return raw.substr(0, raw.find('\0'));
}

// An octal number, ended by NUL or space. Nothing for any other form: signs, base 256, letters.
std::optional<int64_t> octal(std::string_view header, size_t offset, size_t bytes) {
  std::string_view raw = header.substr(offset, bytes);
  size_t end = std::min(raw.find_first_of(std::string_view("\0 ", 2)), raw.size());
  if (end == 0 || raw.find_first_not_of(std::string_view("\0 ", 2), end) != std::string_view::npos)
    return std::nullopt;
  int64_t value = 0;
  for (char c : raw.substr(0, end)) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + (c - '0');
  }
  return value;
}

void check_sum(const File& file, std::string_view header, int64_t at) {
  int64_t sum = 0;
  for (size_t i = 0; i < header.size(); ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  auto stored = octal(header, 148, 8);
  if (!stored || *stored != sum) {
    file.reject("tar: the header at byte ", at, " has checksum ", stored ? str(*stored) : "\"?\"",
                ", its bytes give ", sum);
  }
}

// Records "<length> <key>=<value>\n". Times and owners are harmless; a name, a size or a link would override
// the header.
void check_pax(const File& file, std::string_view records, int64_t at) {
  while (!records.empty() && records.front() != '\0') {
    size_t space = records.find(' ');
    size_t length = 0;
    for (char c : records.substr(0, std::min<size_t>(space, 8))) {
      if (c < '0' || c > '9') file.reject("tar: pax header at byte ", at, " is malformed");
      length = length * 10 + static_cast<size_t>(c - '0');
    }
    if (space == std::string_view::npos || length <= space + 1 || length > records.size() ||
        records[length - 1] != '\n') {
      file.reject("tar: pax header at byte ", at, " is malformed");
    }
    std::string_view record = records.substr(space + 1, length - space - 2);
    std::string_view key = record.substr(0, record.find('='));
    for (std::string_view harmless : {"mtime", "atime", "ctime", "uid", "gid", "uname", "gname"}) {
      if (key == harmless) key = {};
    }
    if (!key.empty())
      file.reject("tar: pax header at byte ", at, " overrides \"", printable(key, 40),
                  "\", which is not allowed");
    records.remove_prefix(length);
  }
}

void check_name(const File& file, std::string_view name, std::string_view prefix, int64_t at) {
  bool plain = !name.empty() && name != "." && name != ".." &&
               std::all_of(name.begin(), name.end(),
                           [](char c) { return c > 0x20 && c < 0x7F && c != '/' && c != '\\'; });
  if (!plain || !prefix.empty()) {
    file.reject("tar: the member at byte ", at, " is named \"",
                printable(prefix.empty() ? std::string(name) : str(prefix, "/", name)),
                "\", expected a plain name");
  }
}

std::string_view kind_of(char type) {
  switch (type) {
    case '1': return "a hard link";
    case '2': return "a symbolic link";
    case '3':
    case '4': return "a device";
    case '5': return "a folder";
    case '6': return "a pipe";
    case 'S': return "a sparse file";
    default: return "of an unknown kind";
  }
}

}  // namespace

std::vector<TarMember> read_tar(const File& file) {
  std::vector<TarMember> members;
  std::unordered_set<std::string> names;
  bool pax_before = false;
  int64_t at = 0;
  for (;;) {
    if (file.size() - at < kBlock)
      file.reject("truncated tar: a header or the end mark is expected at byte ", at, ", the file has ",
                  file.size());
    std::string header = file.read(at, kBlock);
    if (header.find_first_not_of('\0') == std::string::npos) break;
    if (header.substr(257, 5) != "ustar") file.reject("tar: no ustar header at byte ", at);
    check_sum(file, header, at);
    char type = header[156];
    auto size = octal(header, 124, 12);
    if (!size) file.reject("tar: the header at byte ", at, " has no valid size");
    int64_t begin = at + kBlock;
    if (*size > file.size() - begin) {
      file.reject("truncated tar: member ", printable(field(header, 0, 100)), " needs ", *size,
                  " bytes at byte ", begin, ", the file has ", file.size() - begin);
    }
    if (type == 'x') {
      if (pax_before || *size > 4096) file.reject("tar: unexpected pax header at byte ", at);
      check_pax(file, file.read(begin, *size), at);
      pax_before = true;
    } else {
      std::string_view name = field(header, 0, 100);
      if (type != '0' && type != '\0') {
        file.reject("tar: member ", printable(name), " at byte ", at, " is ", kind_of(type),
                    ", expected a regular file");
      }
      check_name(file, name, field(header, 345, 155), at);
      if (!names.insert(std::string(name)).second)
        file.reject("tar: two members are named ", printable(name));
      if (members.size() >= kMaxMembers) file.reject("tar: more than ", kMaxMembers, " members");
      members.push_back({std::string(name), begin, *size});
      pax_before = false;
    }
    at = begin + (*size + kBlock - 1) / kBlock * kBlock;
    if (at > file.size())
      file.reject("truncated tar: padding expected until byte ", at, ", the file has ", file.size());
  }
  if (pax_before) file.reject("tar: a pax header without a member before byte ", at);
  file.for_each_piece(at, file.size() - at, [&](const char* data, size_t n) {
    if (std::any_of(data, data + n, [](char c) { return c != '\0'; }))
      file.reject("tar: bytes follow the end mark at byte ", at);
  });
  return members;
}

}  // namespace graft::weights
