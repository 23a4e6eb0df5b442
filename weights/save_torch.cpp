// Writes what torch.save writes: a zip of stored records with a pickle of protocol 2 that rebuilds an
// OrderedDict of tensors, and one record of raw elements for each. Source: torch/serialization.py; PKWARE
// APPNOTE.TXT 6.3.
#include <algorithm>

#include "core/atomic_file.h"
#include "weights/content.h"
#include "weights/save.h"

namespace graft::weights {
namespace {

std::string little(uint64_t value, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i, value >>= 8) out += static_cast<char>(value & 0xFF);
  return out;
}

std::string_view storage_name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "FloatStorage";
    case DType::f64: return "DoubleStorage";
    case DType::bf16: return "BFloat16Storage";
    case DType::f16: return "HalfStorage";
    case DType::i64: return "LongStorage";
    case DType::i32: return "IntStorage";
    case DType::u8: return "ByteStorage";
    case DType::b8: return "BoolStorage";
  }
  return "";
}

// Appends opcodes; each call is one value on the stack of the machine that will read them.
class Pickler {
 public:
  std::string bytes = "\x80\x02";

  Pickler& op(char opcode) {
    bytes += opcode;
    return *this;
  }
  Pickler& text(std::string_view t) {
    bytes += str('X', little(t.size(), 4), t);
    return *this;
  }
  Pickler& global(std::string_view module, std::string_view name) {
    bytes += str('c', module, '\n', name, '\n');
    return *this;
  }
  Pickler& integer(int64_t n) {
    auto value = static_cast<uint64_t>(n);
    if (value < 256) {
      bytes += str('K', little(value, 1));
    } else if (value < (uint64_t{1} << 31)) {
      bytes += str('J', little(value, 4));
    } else {
      bytes += str('\x8a', '\x08', little(value, 8));
    }
    return *this;
  }
  Pickler& integers(const Shape& values) {
    op('(');
    for (int64_t v : values) integer(v);
    return op('t');
  }
  Pickler& empty_ordered_dict() { return global("collections", "OrderedDict").op(')').op('R'); }
};

std::string pickle_of(const std::vector<SavedTensor>& tensors) {
  Pickler p;
  p.empty_ordered_dict().op('(');
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& value = tensors[i].value;
    p.text(tensors[i].name).global("torch._utils", "_rebuild_tensor_v2").op('(');
    p.op('(')
        .text("storage")
        .global("torch", storage_name(value.dtype()))
        .text(str(i))
        .text("cpu")
        .integer(value.numel());
    p.op('t').op('Q');
    p.integer(0).integers(value.shape()).integers(contiguous_strides(value.shape()));
    p.op('\x89').empty_ordered_dict();  // requires_grad = False, no hooks
    p.op('t').op('R');
  }
  return p.op('u').op('.').bytes;
}

// Records one after the other, their bytes aligned to 64, then the directory with zip64 records.
class ZipWriter {
 public:
  explicit ZipWriter(AtomicFile& file) : file_(file) {}

  void add(const std::string& name, const void* data, int64_t bytes) {
    uint32_t crc = crc32_of({static_cast<const char*>(data), static_cast<size_t>(bytes)});
    auto local = static_cast<uint64_t>(file_.written());
    auto size = static_cast<uint64_t>(bytes);
    std::string wide =
        size >= kNarrow ? str(little(1, 2), little(16, 2), little(size, 8), little(size, 8)) : "";
    uint64_t unpadded = local + 30 + name.size() + wide.size() + 4;
    uint64_t padding = (64 - unpadded % 64) % 64;
    std::string extra = wide + "FB" + little(padding, 2) + std::string(padding, 'Z');
    std::string sizes =
        little(crc, 4) + little(std::min(size, kNarrow), 4) + little(std::min(size, kNarrow), 4);
    file_.write(
        str("PK\x03\x04", kHead, sizes, little(name.size(), 2), little(extra.size(), 2), name, extra));
    file_.write(data, bytes);

    std::string far = size >= kNarrow ? little(size, 8) + little(size, 8) : "";
    if (local >= kNarrow) far += little(local, 8);
    if (!far.empty()) far = little(1, 2) + little(far.size(), 2) + far;
    directory_ +=
        str("PK\x01\x02", little(45, 2), kHead, sizes, little(name.size(), 2), little(far.size(), 2),
            std::string(10, '\0'), little(std::min(local, kNarrow), 4), name, far);
    ++records_;
  }
  void add(const std::string& name, std::string_view text) {
    add(name, text.data(), static_cast<int64_t>(text.size()));
  }

  void finish() {
    auto begin = static_cast<uint64_t>(file_.written());
    uint64_t end = begin + directory_.size();
    file_.write(directory_);
    file_.write(str("PK\x06\x06", little(44, 8), little(45, 2), little(45, 2), little(0, 8),
                    little(records_, 8), little(records_, 8), little(directory_.size(), 8),
                    little(begin, 8)));
    file_.write(str("PK\x06\x07", little(0, 4), little(end, 8), little(1, 4)));
    uint64_t count = std::min<uint64_t>(records_, 0xFFFF);
    file_.write(str("PK\x05\x06", little(0, 4), little(count, 2), little(count, 2),
                    little(std::min<uint64_t>(directory_.size(), kNarrow), 4),
                    little(std::min(begin, kNarrow), 4), little(0, 2)));
  }

 private:
  static constexpr uint64_t kNarrow = 0xFFFFFFFF;
  // Needs version 4.5 (zip64), names in UTF-8, stored, no date: two saves of the same tensors are equal.
  const std::string kHead = little(45, 2) + little(0x0800, 2) + little(0, 2) + little(0, 2) + little(0, 2);
  AtomicFile& file_;
  std::string directory_;
  uint64_t records_ = 0;
};

}  // namespace

void save_torch_zip(const std::string& path, const std::vector<SavedTensor>& tensors) {
  check_names(path, tensors);
  std::vector<SavedTensor> values;
  for (const SavedTensor& t : tensors) values.push_back({t.name, t.value.to(kCpu).contiguous()});
  AtomicFile file(path);
  ZipWriter zip(file);
  zip.add("archive/data.pkl", pickle_of(values));
  zip.add("archive/byteorder", "little");
  for (size_t i = 0; i < values.size(); ++i)
    zip.add(str("archive/data/", i), values[i].value.raw(), values[i].value.bytes());
  zip.add("archive/version", "3\n");
  zip.finish();
  file.commit();
}

}  // namespace graft::weights
