#include "weights/content.h"

#include <zlib.h>

#include <cstring>

namespace graft::weights {
namespace {

uint32_t add_crc32(uint32_t crc, const void* data, size_t bytes) {
  return static_cast<uint32_t>(::crc32_z(crc, static_cast<const Bytef*>(data), bytes));
}

std::string hex(uint32_t value) {
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(value >> shift) & 15];
  return text;
}

// A byte that is neither 0 nor 1 is no bool: reading it as one would be undefined.
void check_bools(const File& file, const Entry& entry, const Tensor& tensor) {
  const auto* bytes = static_cast<const unsigned char*>(tensor.raw());
  for (int64_t i = 0, n = tensor.numel(); i < n; ++i) {
    if (bytes[i] > 1) {
      file.reject("tensor ", printable(entry.name), ": element ", i, " of a bool tensor is ", int{bytes[i]},
                  ", expected 0 or 1");
    }
  }
}

}  // namespace

uint32_t crc32_of(std::string_view bytes) {
  return add_crc32(0, bytes.data(), bytes.size());
}

void check_crc(const File& file, std::string_view name, uint32_t found, uint32_t expected) {
  if (found == expected) return;
  file.reject("CRC of ", printable(name), " is ", hex(found), ", the archive says ", hex(expected),
              ": its bytes were changed after the file was written");
}

std::optional<int64_t> checked_bytes(const std::vector<int64_t>& sizes, int64_t element) {
  int64_t bytes = element;
  bool empty = false;
  for (int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(bytes, size, &bytes)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : bytes;
}

std::string shape_text(const std::vector<int64_t>& sizes) {
  std::string out = "[";
  for (size_t i = 0; i < sizes.size(); ++i) out += (i ? ", " : "") + str(sizes[i]);
  return out + "]";
}

std::vector<int64_t> row_major_strides(const std::vector<int64_t>& sizes) {
  std::vector<int64_t> strides(sizes.size());
  int64_t step = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(sizes[i], 1);
  }
  return strides;
}

std::optional<std::string> name_problem(std::string_view name) {
  if (name.empty()) return "is empty";
  for (size_t i = 0; i < name.size(); ++i) {
    auto c = static_cast<unsigned char>(name[i]);
    if (c < 0x20 || c == 0x7F) return str("holds a control character at byte ", i);
  }
  if (!is_utf8(name)) return "is not valid UTF-8";
  return std::nullopt;
}

std::string to_text(const Entry& entry) {
  std::string type = entry.problem.empty() ? std::string(to_text(entry.dtype)) : entry.stored_dtype;
  return str(printable(entry.name), " ", type, shape_text(entry.sizes));
}

void Content::finish() {
  for (size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = entries[i];
    if (entry.problem.empty() && entry.sizes.size() > Shape::kMaxRank) {
      entry.problem = str("rank ", entry.sizes.size(), " is above ", Shape::kMaxRank,
                          ", the most that graft computes with");
    }
    if (entry.sizes.size() <= Shape::kMaxRank) entry.shape = Shape(std::span<const int64_t>(entry.sizes));
    if (!index.emplace(entry.name, i).second) file->reject("duplicate tensor name ", printable(entry.name));
  }
  verified_.assign(blocks.size(), false);
}

// CRC of a whole block, once; a view of a part of it then reads only its part.
void Content::verify(size_t which) const {
  const Block& block = blocks[which];
  std::lock_guard lock(mutex_);
  if (!block.crc32 || verified_[which]) return;
  uint32_t crc = 0;
  block.file->for_each_piece(block.begin, block.bytes,
                             [&](const char* data, size_t n) { crc = add_crc32(crc, data, n); });
  check_crc(*block.file, block.name, crc, *block.crc32);
  verified_[which] = true;
}

Tensor Content::read(size_t i) const {
  const Entry& entry = entries[i];
  if (!entry.problem.empty()) {
    file->reject("tensor ", printable(entry.name), " (", entry.stored_dtype, " ", shape_text(entry.sizes),
                 ") cannot be read: ", entry.problem);
  }
  const View& view = views[i];
  const Block& block = blocks[view.block];
  int64_t element = size_of(entry.dtype);
  Tensor tensor;
  if (entry.bytes == 0) {
    tensor = Tensor::empty(entry.shape, entry.dtype);
  } else if (view.strides == row_major_strides(entry.sizes)) {
    tensor = Tensor::empty(entry.shape, entry.dtype);
    bool whole = entry.bytes == block.bytes;
    if (!whole) verify(view.block);
    block.file->read(block.begin + view.offset * element, tensor.raw(), entry.bytes);
    if (whole && block.crc32) {
      uint32_t crc = add_crc32(0, tensor.raw(), static_cast<size_t>(entry.bytes));
      check_crc(*block.file, block.name, crc, *block.crc32);
    }
  } else {
    verify(view.block);
    int64_t span = 1;
    for (size_t axis = 0; axis < entry.sizes.size(); ++axis)
      span += (entry.sizes[axis] - 1) * view.strides[axis];
    Tensor storage = Tensor::empty({span}, entry.dtype);
    block.file->read(block.begin + view.offset * element, storage.raw(), span * element);
    Shape strides{std::span<const int64_t>(view.strides)};
    tensor = storage.as_strided(entry.shape, strides, 0).clone();
  }
  if (entry.dtype == DType::b8) check_bools(*block.file, entry, tensor);
  return tensor;
}

}  // namespace graft::weights
