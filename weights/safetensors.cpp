// safetensors: u64 header length N (little-endian), N bytes of JSON, then the elements. Format:
// huggingface.co/docs/safetensors. Stricter than the reference where it accepts what two readers could
// understand differently: duplicate keys, unknown fields, control characters in names.
#include "weights/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>

#include "core/sha256.h"
#include "weights/content.h"

namespace graft::weights {
namespace {

using Json = nlohmann::json;

struct Kind {
  std::string_view name;
  int64_t bits;
  std::optional<DType> dtype;
};

constexpr std::array<Kind, 16> kKinds = {{
    {"F32", 32, DType::f32},
    {"F64", 64, DType::f64},
    {"BF16", 16, DType::bf16},
    {"F16", 16, DType::f16},
    {"I64", 64, DType::i64},
    {"I32", 32, DType::i32},
    {"U8", 8, DType::u8},
    {"BOOL", 8, DType::b8},
    {"I8", 8, std::nullopt},
    {"I16", 16, std::nullopt},
    {"U16", 16, std::nullopt},
    {"U32", 32, std::nullopt},
    {"U64", 64, std::nullopt},
    {"F8_E4M3", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt},
    {"C64", 64, std::nullopt},
}};

const Kind* find_kind(std::string_view name) {
  auto found = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& k) { return k.name == name; });
  return found == kKinds.end() ? nullptr : &*found;
}

struct Described {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<uint64_t> offsets;  // begin, end, in the data section
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Reads the header event by event, so that a header which breaks a rule is refused before anything is built
// from it: at most one tensor, one key and one list are held at a time besides what was accepted.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const File& file) : file_(file) {}

  std::vector<Described> tensors;
  std::map<std::string, std::string> metadata;

  bool start_object(size_t) override {
    if (at_ == At::start) return go(At::root);
    if (at_ == At::root && key_ == "__metadata__") return go(At::metadata);
    if (at_ == At::root) {
      if (tensors.size() >= kMaxTensors) file_.reject("header: more than ", kMaxTensors, " tensors");
      tensors.push_back({});
      tensors.back().name = key_;
      return go(At::tensor);
    }
    unexpected("an object");
  }

  bool key(std::string& key) override {
    if (at_ == At::root) {
      if (key != "__metadata__") {
        if (auto problem = name_problem(key))
          file_.reject("header: tensor name \"", printable(key), "\" ", *problem);
      }
      if (!names_.insert(key).second) file_.reject("header: duplicate tensor name \"", printable(key), "\"");
    } else if (at_ == At::metadata) {
      if (metadata.contains(key))
        file_.reject("header: __metadata__ holds the key \"", printable(key), "\" twice");
    } else {
      Described& t = tensors.back();
      bool* seen = key == "dtype"          ? &t.has_dtype
                   : key == "shape"        ? &t.has_shape
                   : key == "data_offsets" ? &t.has_offsets
                                           : nullptr;
      if (!seen) {
        file_.reject("header: tensor ", printable(t.name), ": unknown field \"", printable(key),
                     "\" (expected dtype, shape, data_offsets)");
      }
      if (*seen) file_.reject("header: tensor ", printable(t.name), ": field \"", key, "\" appears twice");
      *seen = true;
    }
    (at_ == At::root ? key_ : field_) = key;
    return true;
  }

  bool end_object() override {
    if (at_ == At::tensor) {
      const Described& t = tensors.back();
      const char* missing = !t.has_dtype     ? "dtype"
                            : !t.has_shape   ? "shape"
                            : !t.has_offsets ? "data_offsets"
                                             : nullptr;
      if (missing) file_.reject("header: tensor ", printable(t.name), ": field \"", missing, "\" is missing");
    }
    at_ = at_ == At::root ? At::end : At::root;
    return true;
  }

  bool start_array(size_t) override {
    if (at_ == At::tensor && field_ == "shape") return go(At::shape);
    if (at_ == At::tensor && field_ == "data_offsets") return go(At::offsets);
    unexpected("an array");
  }

  bool end_array() override {
    const Described& t = tensors.back();
    if (at_ == At::offsets && t.offsets.size() != 2) {
      file_.reject("header: tensor ", printable(t.name), ": data_offsets has ", t.offsets.size(),
                   " entries, expected 2");
    }
    return go(At::tensor);
  }

  bool string(std::string& text) override {
    if (at_ == At::metadata) {
      metadata[field_] = text;
      return true;
    }
    if (at_ == At::tensor && field_ == "dtype") {
      tensors.back().dtype = text;
      return true;
    }
    unexpected(str("\"", printable(text, 40), "\""));
  }

  bool number_unsigned(uint64_t value) override {
    if (at_ == At::shape) {
      Described& t = tensors.back();
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        file_.reject("header: tensor ", printable(t.name), ": size ", value, " overflows");
      }
      if (t.shape.size() >= kMaxListedRank)
        file_.reject("header: tensor ", printable(t.name), ": rank is above ", kMaxListedRank);
      t.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (at_ == At::offsets) {
      Described& t = tensors.back();
      if (t.offsets.size() >= 2)
        file_.reject("header: tensor ", printable(t.name), ": data_offsets has more than 2 entries");
      t.offsets.push_back(value);
      return true;
    }
    unexpected(str(value));
  }

  // The parser reports only numbers with a sign here, "-0" too.
  bool number_integer(int64_t value) override { unexpected(str("the signed number ", value)); }
  bool number_float(double, const std::string& text) override {
    unexpected(str("the number ", printable(text, 40)));
  }
  bool boolean(bool value) override { unexpected(value ? "true" : "false"); }
  bool binary(Json::binary_t&) override { unexpected("binary data"); }
  bool null() override {
    if (at_ == At::root && key_ == "__metadata__") return true;
    unexpected("null");
  }

  bool parse_error(size_t position, const std::string& token, const Json::exception&) override {
    file_.reject("header: not valid JSON at byte ", 8 + position, ", near \"", printable(token, 40), "\"");
  }

 private:
  enum class At { start, root, metadata, tensor, shape, offsets, end };

  bool go(At at) {
    at_ = at;
    return true;
  }

  [[noreturn]] void unexpected(const std::string& found) const {
    switch (at_) {
      case At::root:
        file_.reject(
            "header: \"", printable(key_), "\" is ", found, ", expected ",
            key_ == "__metadata__" ? "an object of strings" : "an object with dtype, shape and data_offsets");
      case At::metadata:
        file_.reject("header: __metadata__: \"", printable(field_), "\" is ", found, ", expected a string");
      case At::tensor:
        file_.reject("header: tensor ", printable(tensors.back().name), ": ", field_, " is ", found,
                     ", expected ", field_ == "dtype" ? "a string" : "a list of non-negative integers");
      case At::shape:
      case At::offsets:
        file_.reject("header: tensor ", printable(tensors.back().name), ": ", field_, " holds ", found,
                     ", expected non-negative integers");
      default: file_.reject("header: starts with ", found, ", expected an object");
    }
  }

  const File& file_;
  At at_ = At::start;
  std::string key_, field_;
  std::unordered_set<std::string> names_;
};

// N, checked before a byte more is read.
int64_t header_length(const File& file) {
  if (file.size() < 8)
    file.reject("needs at least 8 bytes for a safetensors header length, has ", file.size());
  uint64_t n = 0;
  std::string raw = file.read(0, 8);
  for (size_t i = 8; i-- > 0;) n = n << 8 | static_cast<unsigned char>(raw[i]);
  if (n > kMaxHeader)
    file.reject("header too large: ", n, " bytes, at most ", kMaxHeader,
                " are allowed; if it is no safetensors file, it is not a checkpoint that graft knows");
  auto length = static_cast<int64_t>(n);
  if (length > file.size() - 8) {
    file.reject("header of ", n, " bytes expected, the file has only ", file.size() - 8, " after its length");
  }
  if (length < 2) file.reject("header of ", n, " bytes is too short to be JSON");
  return length;
}

void check_text(const File& file, std::string_view header) {
  // The JSON parser would take a NUL for the end and skip a byte order mark.
  if (size_t nul = header.find('\0'); nul != std::string_view::npos) {
    file.reject("header: NUL at byte ", 8 + nul, ", expected JSON text");
  }
  if (header.starts_with("\xEF\xBB\xBF"))
    file.reject("header: byte order mark at byte 8, expected JSON text");
}

// Fills the entry of one described tensor and checks its size; the place is checked with the others.
Entry make_entry(const File& file, const Described& t, int64_t data_bytes) {
  std::string where = str("tensor ", printable(t.name));
  const Kind* kind = find_kind(t.dtype);
  Entry entry;
  entry.name = t.name;
  entry.stored_dtype = printable(t.dtype, 20);
  entry.sizes = t.shape;
  uint64_t begin = t.offsets[0], end = t.offsets[1];
  if (begin > end) file.reject(where, ": data_offsets [", begin, ", ", end, "] are reversed");
  if (end > static_cast<uint64_t>(data_bytes)) {
    file.reject(where, ": data_offsets end at ", end, ", the file has ", data_bytes,
                " bytes of data: it is truncated");
  }
  if (!kind) {
    if (t.dtype.starts_with("F4") || t.dtype.starts_with("F6") || t.dtype.starts_with("F8")) {
      file.reject(where, ": type ", entry.stored_dtype, " is recognised, but not supported");
    }
    file.reject(where, ": unknown type \"", entry.stored_dtype, "\"");
  }
  auto bytes = checked_bytes(t.shape, kind->bits / 8);
  if (!bytes) file.reject(where, ": ", t.dtype, " ", shape_text(t.shape), " overflows");
  entry.bytes = *bytes;
  if (end - begin != static_cast<uint64_t>(*bytes)) {
    file.reject(where, ": ", t.dtype, " ", shape_text(t.shape), " needs ", *bytes, " bytes, data_offsets [",
                begin, ", ", end, "] give ", end - begin);
  }
  if (kind->dtype) {
    entry.dtype = *kind->dtype;
  } else {
    entry.problem = str("type ", t.dtype, " is recognised, but not supported");
  }
  return entry;
}

// The data section must be covered from its first to its last byte, each byte once.
void check_coverage(const File& file, const std::vector<Described>& tensors, int64_t data_bytes) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return tensors[a].offsets < tensors[b].offsets; });
  uint64_t reached = 0;
  for (size_t i : order) {
    const Described& t = tensors[i];
    if (t.offsets[0] != reached) {
      file.reject("tensor ", printable(t.name), ": data begins at ", t.offsets[0], ", expected ", reached,
                  t.offsets[0] < reached ? ": it overlaps another tensor" : ": there is a hole before it");
    }
    reached = t.offsets[1];
  }
  if (reached != static_cast<uint64_t>(data_bytes)) {
    file.reject(data_bytes - static_cast<int64_t>(reached), " bytes follow the last tensor's data at byte ",
                file.size() - data_bytes + static_cast<int64_t>(reached));
  }
}

// Files that graft wrote carry a hash of all their bytes, computed with 64 zeros in the hash's own place.
void check_own_hash(const File& file, const std::map<std::string, std::string>& metadata,
                    std::string_view header) {
  bool ours = std::any_of(metadata.begin(), metadata.end(),
                          [](const auto& m) { return m.first.starts_with("graft."); });
  if (!ours) return;
  auto found = metadata.find(std::string(kHashKey));
  if (found == metadata.end())
    file.reject("written by graft, but its metadata lacks ", kHashKey, ": the file was changed");
  const std::string& expected = found->second;
  size_t place = header.find(str('"', kHashKey, "\":\"", expected, '"'));
  if (expected.size() != 64 || place == std::string_view::npos) {
    file.reject("metadata ", kHashKey, " is not in the form that graft writes: the file was changed");
  }
  auto begin = static_cast<int64_t>(8 + place + kHashKey.size() + 4);
  Sha256 hash;
  file.for_each_piece(0, begin, [&](const char* data, size_t n) { hash.add(data, n); });
  hash.add(std::string(64, '0'));
  file.for_each_piece(begin + 64, file.size() - begin - 64,
                      [&](const char* data, size_t n) { hash.add(data, n); });
  std::string actual = hash.hex();
  if (actual != expected) {
    file.reject("its SHA-256 is ", actual, ", the file says ", expected,
                ": it was changed after graft wrote it");
  }
}

}  // namespace

std::optional<DType> safetensors_dtype(std::string_view name) {
  const Kind* kind = find_kind(name);
  return kind ? kind->dtype : std::nullopt;
}

std::string_view safetensors_name(DType dtype) {
  return std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& k) { return k.dtype == dtype; })->name;
}

std::unique_ptr<Content> read_safetensors(const std::shared_ptr<const File>& file,
                                          const OpenOptions& options) {
  int64_t length = header_length(*file);
  std::string header = file->read(8, length);
  check_text(*file, header);
  HeaderReader reader(*file);
  Json::sax_parse(header, &reader);

  auto content = std::make_unique<Content>();
  content->path = file->path();
  content->format = "safetensors";
  content->file = file;
  int64_t data = 8 + length;
  for (const Described& t : reader.tensors) {
    content->entries.push_back(make_entry(*file, t, file->size() - data));
    content->views.push_back({content->blocks.size(), 0, row_major_strides(t.shape)});
    content->blocks.push_back(
        {file, data + static_cast<int64_t>(t.offsets[0]), content->entries.back().bytes, {}, t.name});
  }
  check_coverage(*file, reader.tensors, file->size() - data);
  content->metadata = std::move(reader.metadata);
  if (options.check) check_own_hash(*file, content->metadata, header);
  content->finish();
  return content;
}

}  // namespace graft::weights
