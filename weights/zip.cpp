#include "weights/zip.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_set>

namespace graft::weights {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50, kDescriptor = 0x08074b50;
constexpr int64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                  kLocator64Bytes = 20;
constexpr int64_t kMaxRecords = 1'000'000;
constexpr uint64_t kSentinel32 = 0xFFFFFFFF, kSentinel16 = 0xFFFF;

uint64_t little(std::string_view bytes, size_t offset, size_t n) {
  uint64_t value = 0;
  for (size_t i = n; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
  return value;
}
uint32_t u16(std::string_view bytes, size_t offset) {
  return static_cast<uint32_t>(little(bytes, offset, 2));
}
uint32_t u32(std::string_view bytes, size_t offset) {
  return static_cast<uint32_t>(little(bytes, offset, 4));
}

// Where the central directory lies.
struct Directory {
  uint64_t begin = 0, bytes = 0, records = 0;
};

struct Central {
  ZipRecord record;
  uint64_t local = 0;  // offset of the local header
  uint32_t flags = 0, method = 0;
  uint64_t stored_bytes = 0;
};

Directory find_end64(const File& file, int64_t end, Directory d) {
  std::string locator = file.read(end - kLocator64Bytes, kLocator64Bytes);
  uint64_t place = little(locator, 8, 8);
  int64_t expected = end - kLocator64Bytes - kEnd64Bytes;
  if (u32(locator, 4) != 0 || u32(locator, 16) > 1)
    file.reject("zip64 locator: the archive spans several disks");
  if (expected < 0 || place != static_cast<uint64_t>(expected)) {
    file.reject("zip64 locator at byte ", end - kLocator64Bytes, " points to byte ", place, ", expected ",
                expected);
  }
  std::string raw = file.read(expected, kEnd64Bytes);
  if (u32(raw, 0) != kEnd64 || little(raw, 4, 8) != static_cast<uint64_t>(kEnd64Bytes - 12)) {
    file.reject("zip64 end record expected at byte ", expected);
  }
  if (u32(raw, 16) != 0 || u32(raw, 20) != 0)
    file.reject("zip64 end record: the archive spans several disks");
  Directory wide{little(raw, 48, 8), little(raw, 40, 8), little(raw, 32, 8)};
  if (little(raw, 24, 8) != wide.records) file.reject("zip64 end record: two different record counts");
  auto agrees = [](uint64_t narrow, uint64_t sentinel, uint64_t value) {
    return narrow == sentinel || narrow == value;
  };
  if (!agrees(d.begin, kSentinel32, wide.begin) || !agrees(d.bytes, kSentinel32, wide.bytes) ||
      !agrees(d.records, kSentinel16, wide.records)) {
    file.reject("zip end record and zip64 end record disagree");
  }
  return wide;
}

// The end record, which must be the only one and end where the file ends.
Directory find_directory(const File& file) {
  int64_t tail_bytes = std::min<int64_t>(file.size(), kEndBytes + 0xFFFF);
  int64_t tail_begin = file.size() - tail_bytes;
  std::string tail = file.read(tail_begin, tail_bytes);
  size_t place = tail.rfind("PK\5\6");
  if (place == std::string::npos || tail.size() - place < static_cast<size_t>(kEndBytes)) {
    file.reject("truncated zip: no end-of-directory record in the last ", tail_bytes, " of ", file.size(),
                " bytes");
  }
  int64_t end = tail_begin + static_cast<int64_t>(place);
  std::string_view raw = std::string_view(tail).substr(place);
  uint32_t comment = u16(raw, 20);
  int64_t after = file.size() - end - kEndBytes;
  if (after != comment) {
    file.reject("zip end record at byte ", end, " announces ", comment, " bytes of comment, ", after,
                " bytes follow it");
  }
  if (u16(raw, 4) != 0 || u16(raw, 6) != 0) file.reject("zip end record: the archive spans several disks");
  if (u16(raw, 8) != u16(raw, 10)) file.reject("zip end record: two different record counts");
  Directory d{u32(raw, 16), u32(raw, 12), u16(raw, 10)};
  int64_t directory_end = end;
  bool wide = end >= kLocator64Bytes && u32(file.read(end - kLocator64Bytes, 4), 0) == kLocator64;
  if (wide) {
    d = find_end64(file, end, d);
    directory_end = end - kLocator64Bytes - kEnd64Bytes;
  } else if (d.begin == kSentinel32 || d.bytes == kSentinel32 || d.records == kSentinel16) {
    file.reject("zip end record at byte ", end, " refers to a zip64 record, and there is none");
  }
  auto limit = static_cast<uint64_t>(directory_end);
  if (d.begin > limit || d.bytes != limit - d.begin) {
    file.reject("zip directory: ", d.bytes, " bytes at byte ", d.begin, " expected to end at byte ",
                directory_end);
  }
  if (d.records > static_cast<uint64_t>(kMaxRecords))
    file.reject("zip: ", d.records, " records, at most ", kMaxRecords);
  return d;
}

// Relative, without steps upwards, in plain UTF-8.
void check_name(const File& file, std::string_view name) {
  auto refuse = [&](const char* why) {
    file.reject("zip record \"", printable(name, 80), "\": its name ", why);
  };
  if (name.empty()) refuse("is empty");
  if (name.size() > 4096) refuse("is longer than 4096 bytes");
  if (!is_utf8(name)) refuse("is not valid UTF-8");
  for (char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) refuse("holds a control character");
    if (c == '\\') refuse("holds a backslash");
  }
  if (name.front() == '/' || (name.size() > 1 && name[1] == ':')) refuse("is absolute");
  for (size_t begin = 0; begin <= name.size();) {
    size_t end = std::min(name.find('/', begin), name.size());
    std::string_view part = name.substr(begin, end - begin);
    if (part == ".." || part == ".") refuse("holds a step to another folder");
    if (part.empty() && end != name.size()) refuse("holds an empty part");
    begin = end + 1;
  }
}

// Sizes and the offset, from the zip64 extra field where the 32-bit fields say so.
void read_extra(const File& file, Central& c, std::string_view extra) {
  uint64_t bytes = static_cast<uint64_t>(c.record.bytes);
  bool need[3] = {bytes == kSentinel32, c.stored_bytes == kSentinel32, c.local == kSentinel32};
  std::optional<std::string_view> wide;
  for (size_t i = 0; i < extra.size();) {
    if (extra.size() - i < 4 || u16(extra, i + 2) > extra.size() - i - 4) {
      file.reject("zip record ", printable(c.record.name), ": extra field is cut short");
    }
    size_t n = u16(extra, i + 2);
    if (u16(extra, i) == 1) {
      if (wide) file.reject("zip record ", printable(c.record.name), ": two zip64 fields");
      wide = extra.substr(i + 4, n);
    }
    i += 4 + n;
  }
  uint64_t* fields[3] = {&bytes, &c.stored_bytes, &c.local};
  size_t at = 0;
  for (size_t k = 0; k < 3; ++k) {
    if (!need[k]) continue;
    if (!wide || wide->size() < at + 8) {
      file.reject("zip record ", printable(c.record.name), ": its zip64 field is missing or too short");
    }
    *fields[k] = little(*wide, at, 8);
    at += 8;
  }
  for (uint64_t value : {bytes, c.stored_bytes, c.local}) {
    if (value > static_cast<uint64_t>(file.size())) {
      file.reject("zip record ", printable(c.record.name), ": size or offset ", value,
                  " is beyond the file's ", file.size(), " bytes");
    }
  }
  c.record.bytes = static_cast<int64_t>(bytes);
}

void check_kind(const File& file, const Central& c, uint32_t disk) {
  auto refuse = [&](const auto&... why) {
    file.reject("zip record ", printable(c.record.name), ": ", why...);
  };
  if (c.flags & 0x0001) refuse("is encrypted (flag bit 0)");
  if (c.flags & 0x0020) refuse("is a patch (flag bit 5)");
  if (c.flags & 0x2040) refuse("is strongly encrypted (flag bit 6 or 13)");
  if (c.flags & ~0x080Eu) refuse("unknown flags ", c.flags);
  if (c.method == 8)
    refuse(
        "is compressed (deflate); torch.save stores records as they are. Re-save it, or repack with zip -0");
  if (c.method != 0) refuse("compression method ", c.method, " is not supported, expected 0 (stored)");
  if (disk != 0) refuse("lies on disk ", disk);
  if (c.stored_bytes != static_cast<uint64_t>(c.record.bytes)) {
    refuse("stored size ", c.stored_bytes, " and size ", c.record.bytes, " differ");
  }
}

std::vector<Central> read_directory(const File& file, const Directory& d) {
  std::string raw = file.read(static_cast<int64_t>(d.begin), static_cast<int64_t>(d.bytes));
  std::string_view rest = raw;
  std::vector<Central> all;
  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < d.records; ++i) {
    if (rest.size() < static_cast<size_t>(kCentralBytes) || u32(rest, 0) != kCentral) {
      file.reject("zip directory: entry ", i, " of ", d.records, " expected at byte ",
                  d.begin + (raw.size() - rest.size()));
    }
    size_t name = u16(rest, 28), extra = u16(rest, 30), comment = u16(rest, 32);
    size_t total = static_cast<size_t>(kCentralBytes) + name + extra + comment;
    if (rest.size() < total) file.reject("zip directory: entry ", i, " is cut short");
    Central c;
    c.record.name = rest.substr(static_cast<size_t>(kCentralBytes), name);
    c.record.crc32 = u32(rest, 16);
    c.record.bytes = u32(rest, 24);
    c.stored_bytes = u32(rest, 20);
    c.local = u32(rest, 42);
    c.flags = u16(rest, 8);
    c.method = u16(rest, 10);
    check_name(file, c.record.name);
    if (!names.insert(c.record.name).second)
      file.reject("zip: two records are named ", printable(c.record.name));
    read_extra(file, c, rest.substr(static_cast<size_t>(kCentralBytes) + name, extra));
    check_kind(file, c, u16(rest, 34));
    all.push_back(std::move(c));
    rest.remove_prefix(total);
  }
  if (!rest.empty()) {
    file.reject("zip directory: ", rest.size(), " bytes follow its ", d.records, " entries");
  }
  return all;
}

// Compares the local header with the directory's entry, and finds where the record's bytes are.
void read_local(const File& file, Central& c, uint64_t directory) {
  auto refuse = [&](const auto&... why) {
    file.reject("zip record ", printable(c.record.name), ": ", why...);
  };
  auto local = static_cast<int64_t>(c.local);
  auto name_bytes = static_cast<int64_t>(c.record.name.size());
  if (local + kLocalBytes + name_bytes > static_cast<int64_t>(directory))
    refuse("its local header reaches into the directory");
  std::string raw = file.read(local, kLocalBytes + name_bytes);
  if (u32(raw, 0) != kLocal) refuse("no local header at byte ", c.local);
  if (u16(raw, 26) != c.record.name.size() || raw.substr(static_cast<size_t>(kLocalBytes)) != c.record.name) {
    refuse("the local header at byte ", c.local, " has another name");
  }
  if (u16(raw, 6) != c.flags || u16(raw, 8) != c.method)
    refuse("the local header at byte ", c.local, " has other flags or method");
  // With a data descriptor the local header may leave these open, as 0; with zip64, as all ones.
  bool open = c.flags & 8;
  auto fits = [&](uint32_t value, uint64_t expected, bool wide) {
    return value == expected || (open && value == 0) || (wide && value == kSentinel32);
  };
  if (!fits(u32(raw, 14), c.record.crc32, false) || !fits(u32(raw, 18), c.stored_bytes, true) ||
      !fits(u32(raw, 22), c.stored_bytes, true)) {
    refuse("the local header at byte ", c.local, " has another CRC or size");
  }
  c.record.begin = local + kLocalBytes + name_bytes + u16(raw, 28);
  if (c.record.begin + c.record.bytes > static_cast<int64_t>(directory)) {
    refuse("its ", c.record.bytes, " bytes at byte ", c.record.begin, " reach into the directory");
  }
}

// From the first byte to the directory, every byte must belong to one record or its data descriptor.
void check_coverage(const File& file, const std::vector<Central>& all, uint64_t directory) {
  std::vector<size_t> order(all.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return all[a].local < all[b].local; });
  uint64_t reached = 0;
  std::string_view before = "the start";
  for (size_t k = 0; k <= order.size(); ++k) {
    bool last = k == order.size();
    uint64_t begin = last ? directory : all[order[k]].local;
    std::string_view next = last ? std::string_view("the directory") : all[order[k]].record.name;
    if (begin < reached) {
      file.reject("zip: the ranges of ", printable(before), " and ", printable(next), " overlap at byte ",
                  begin);
    }
    if (begin != reached) {
      file.reject("zip: ", begin - reached, " bytes at byte ", reached, ", between ", printable(before),
                  " and ", printable(next), ", belong to no record");
    }
    if (last) break;
    const Central& c = all[order[k]];
    reached = static_cast<uint64_t>(c.record.begin + c.record.bytes);
    before = c.record.name;
    if ((c.flags & 8) && reached + 4 <= directory) {
      bool marked = u32(file.read(static_cast<int64_t>(reached), 4), 0) == kDescriptor;
      uint64_t next_begin = k + 1 < order.size() ? all[order[k + 1]].local : directory;
      uint64_t left = next_begin - std::min(next_begin, reached);
      // Signature optional, sizes of 4 or 8 bytes: the format does not say which, so the gap must.
      if (marked ? (left == 16 || left == 24) : (left == 12 || left == 20)) reached = next_begin;
    }
  }
}

}  // namespace

std::vector<ZipRecord> read_zip(const File& file) {
  Directory d = find_directory(file);
  std::vector<Central> all = read_directory(file, d);
  for (Central& c : all) read_local(file, c, d.begin);
  check_coverage(file, all, d.begin);
  std::vector<ZipRecord> records;
  records.reserve(all.size());
  for (Central& c : all) records.push_back(std::move(c.record));
  return records;
}

}  // namespace graft::weights
