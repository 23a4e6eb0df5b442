// Makes checkpoint files, whole and broken, from their parts: what the tables of bad input are built of.
#pragma once

// g++ 12 sees an overlap that cannot be in std::string's own copying (its bug 105651); these tables are full
// of strings.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wrestrict"
#endif

#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/str.h"

namespace graft::test {

inline std::string little(uint64_t value, size_t bytes) {
  std::string out;
  for (size_t i = 0; i < bytes; ++i, value >>= 8) out += static_cast<char>(value & 0xFF);
  return out;
}

// n bytes with the values 0, 1, 2...
inline std::string counting(size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += static_cast<char>(i);
  return out;
}

inline std::string safetensors_file(const std::string& header, const std::string& data = "") {
  return little(header.size(), 8) + header + data;
}
// One tensor's description.
inline std::string describe(const std::string& name, const std::string& dtype, const std::string& shape,
                            const std::string& offsets) {
  return str('"', name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets,
             "}");
}

// --- zip
// -------------------------------------------------------------------------------------------------------------

// A record, with every field that a hostile archive may set to something else.
struct ZipPart {
  std::string name, data;
  uint32_t flags = 0x0800, method = 0;
  std::string local_name = name;
  uint32_t local_flags = flags, local_method = method;
  uint32_t crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
  uint64_t size = data.size(), stored = data.size();  // in the directory
  uint64_t local_size = data.size();
  std::string extra = {}, local_extra = {};  // of the directory, of the local header
  int64_t local_offset = -1;                 // in the directory; -1: where it is
  uint32_t disk = 0;
};

struct ZipForm {
  std::string before = {}, gap = {},
              after = {};  // bytes before the first record, before the directory, at the end
  bool wide = false;       // zip64 end records
  int64_t locator = -1;    // where the zip64 locator points; -1: to its record
  std::string comment = {};
  int comment_size = -1;  // as announced; -1: its size
  int64_t records = -1;   // as announced; -1: how many there are
};

inline std::string zip_file(const std::vector<ZipPart>& parts, const ZipForm& form = {}) {
  std::string out = form.before, directory;
  for (const ZipPart& p : parts) {
    auto offset = p.local_offset >= 0 ? static_cast<uint64_t>(p.local_offset) : out.size();
    bool open = p.flags & 8;  // sizes only in the directory and in a descriptor after the bytes
    out += "PK\x03\x04" + little(20, 2) + little(p.local_flags, 2) + little(p.local_method, 2) + little(0, 4);
    out +=
        little(open ? 0 : p.crc, 4) + little(open ? 0 : p.local_size, 4) + little(open ? 0 : p.local_size, 4);
    out += little(p.local_name.size(), 2) + little(p.local_extra.size(), 2) + p.local_name + p.local_extra +
           p.data;
    if (open) out += "PK\x07\x08" + little(p.crc, 4) + little(p.data.size(), 4) + little(p.data.size(), 4);
    directory += "PK\x01\x02" + little(20, 2) + little(20, 2) + little(p.flags, 2) + little(p.method, 2) +
                 little(0, 4);
    directory += little(p.crc, 4) + little(p.stored, 4) + little(p.size, 4) + little(p.name.size(), 2) +
                 little(p.extra.size(), 2);
    directory += little(0, 2) + little(p.disk, 2) + little(0, 6) + little(offset, 4) + p.name + p.extra;
  }
  out += form.gap;
  uint64_t begin = out.size(), count = form.records >= 0 ? static_cast<uint64_t>(form.records) : parts.size();
  out += directory;
  if (form.wide) {
    uint64_t end = out.size();
    out += "PK\x06\x06" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) + little(count, 8) +
           little(count, 8);
    out += little(directory.size(), 8) + little(begin, 8);
    out += "PK\x06\x07" + little(0, 4) +
           little(form.locator >= 0 ? static_cast<uint64_t>(form.locator) : end, 8) + little(1, 4);
  }
  out += "PK\x05\x06" + little(0, 4) + little(count, 2) + little(count, 2) + little(directory.size(), 4) +
         little(begin, 4);
  out += little(form.comment_size >= 0 ? static_cast<uint64_t>(form.comment_size) : form.comment.size(), 2) +
         form.comment;
  return out + form.after;
}

// --- pickle
// ----------------------------------------------------------------------------------------------------------

inline std::string p_text(const std::string& t) {
  return str("X", little(t.size(), 4), t);
}
inline std::string p_global(const std::string& module, const std::string& name) {
  return str("c", module, "\n", name, "\n");
}
inline std::string p_int(int64_t n) {
  if (n >= 0 && n < 256) return str("K", little(static_cast<uint64_t>(n), 1));
  if (n >= INT32_MIN && n <= INT32_MAX) return str("J", little(static_cast<uint64_t>(n), 4));
  return str("\x8a\x08", little(static_cast<uint64_t>(n), 8));
}
inline std::string p_tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const auto& i : items) out += i;
  return out + "t";
}
inline std::string p_ints(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (int64_t v : values) items.push_back(p_int(v));
  return p_tuple(items);
}
inline std::string p_dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "}(";
  for (const auto& [key, value] : items) out += p_text(key) + value;
  return out + "u";
}
inline std::string p_storage(const std::string& key, int64_t elements,
                             const std::string& type = "FloatStorage") {
  return p_tuple({p_text("storage"), p_global("torch", type), p_text(key), p_text("cpu"), p_int(elements)}) +
         "Q";
}
inline std::string p_call(const std::string& module, const std::string& name,
                          const std::vector<std::string>& arguments) {
  return p_global(module, name) + p_tuple(arguments) + "R";
}
const std::string kHooks = p_global("collections", "OrderedDict") + ")R";
inline std::string p_tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& sizes,
                            const std::vector<int64_t>& strides) {
  return p_call("torch._utils", "_rebuild_tensor_v2",
                {storage, p_int(offset), p_ints(sizes), p_ints(strides), "\x89", kHooks});
}
// Tensor "w", f32[2, 3], in storage "0".
inline std::string p_w() {
  return p_tensor(p_storage("0", 6), 0, {2, 3}, {3, 1});
}
inline std::string pickled(const std::string& body) {
  return str("\x80\x02", body, ".");
}

// A torch zip: the pickle, storage "0" with six floats, and the version.
inline std::vector<ZipPart> torch_parts(const std::string& pickle,
                                        const std::string& storage = counting(24)) {
  std::vector<ZipPart> parts;
  parts.push_back({"archive/data.pkl", pickle});
  parts.push_back({"archive/data/0", storage});
  parts.push_back({"archive/version", "3\n"});
  return parts;
}
// Around a value, which becomes the root.
inline std::string torch_zip(const std::string& body) {
  return zip_file(torch_parts(pickled(body)));
}

// --- legacy
// ----------------------------------------------------------------------------------------------------------

const std::string kMagic = std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);

inline std::string sys_info(bool little_endian = true) {
  return pickled(
      p_dict({{"protocol_version", p_int(1001)}, {"little_endian", little_endian ? "\x88" : "\x89"}}));
}
struct LegacyForm {
  std::string magic = kMagic;
  std::string protocol = pickled(p_int(1001));
  std::string system = sys_info();
  std::string object = pickled(p_dict({{"w", p_w()}}));
  std::string keys = pickled("](" + p_text("0") + "e");
  uint64_t elements = 6;
  std::string storage = counting(24);
  std::string after = {};
};
inline std::string legacy_file(const LegacyForm& f = {}) {
  return f.magic + f.protocol + f.system + f.object + f.keys + little(f.elements, 8) + f.storage + f.after;
}

// --- tar
// -------------------------------------------------------------------------------------------------------------

struct TarPart {
  std::string name, data;
  char type = '0';
  std::string size = {};  // the field's text; empty: the size
  std::string prefix = {};
  int checksum = 0;  // added to the right one
};
inline std::string octal(uint64_t value, size_t digits) {
  std::string out(digits, '0');
  for (size_t i = digits; i-- > 0; value >>= 3) out[i] = static_cast<char>('0' + (value & 7));
  return out;
}
inline std::string tar_member(const TarPart& p) {
  std::string h(512, '\0');
  auto put = [&](size_t at, const std::string& text) { h.replace(at, text.size(), text); };
  put(0, p.name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, p.size.empty() ? octal(p.data.size(), 11) : p.size);
  put(136, "00000000000");
  put(148, "        ");
  h[156] = p.type;
  put(257, std::string("ustar\0"
                       "00",
                       8));
  put(345, p.prefix);
  uint64_t sum = 0;
  for (char c : h) sum += static_cast<unsigned char>(c);
  put(148, octal(sum + static_cast<uint64_t>(p.checksum), 6) + std::string("\0 ", 2));
  return h + p.data + std::string((512 - p.data.size() % 512) % 512, '\0');
}
inline std::string tar_file(const std::vector<TarPart>& parts,
                            const std::string& end = std::string(1024, '\0')) {
  std::string out;
  for (const auto& p : parts) out += tar_member(p);
  return out + end;
}
struct TarForm {
  int64_t storages = 1, storage_elements = 6, tensors = 1, storage_id = 7;
  int32_t rank = 2;
  std::string views = pickled("]");
};
inline std::vector<TarPart> torch_tar_parts(const TarForm& f = {}) {
  std::string storages = pickled(p_int(f.storages)) +
                         pickled(p_tuple({p_int(7), p_text("cpu"), p_global("torch", "FloatStorage")}));
  storages += little(static_cast<uint64_t>(f.storage_elements), 8) + counting(24) + f.views;
  std::string tensors = pickled(p_int(f.tensors)) +
                        pickled(p_tuple({p_int(5), p_int(f.storage_id), p_global("torch", "FloatTensor")}));
  tensors += little(static_cast<uint32_t>(f.rank), 4) + little(0, 4);
  for (uint64_t v : {2, 3, 3, 1, 0}) tensors += little(v, 8);
  std::string object = pickled(p_dict({{"w", p_text("5") + "Q"}}));
  return {{"sys_info", sys_info()}, {"pickle", object}, {"tensors", tensors}, {"storages", storages}};
}

}  // namespace graft::test
