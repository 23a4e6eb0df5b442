#include "weights/content.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace graft::weights {
namespace {

constexpr int64_t kPiece = 1 << 20;  // bytes

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

void Content::require_readable(const Entry& entry) const {
  if (entry.problem.empty()) return;
  file->reject("tensor ", printable(entry.name), " (", entry.stored_dtype, " ", shape_text(entry.sizes),
               ") cannot be read: ", entry.problem);
}

Tensor Content::read(size_t i) const {
  const Entry& entry = entries[i];
  require_readable(entry);
  const View& view = views[i];
  const Block& block = blocks[view.block];
  Tensor tensor = Tensor::empty(entry.shape, entry.dtype);
  if (entry.bytes == 0) return tensor;
  if (view.strides != row_major_strides(entry.sizes)) {
    read_pieces(i, kPiece, [&](int axis, int64_t begin, int64_t end, const Tensor& piece) {
      tensor.slice(axis, begin, end).copy_from(piece);
    });
    return tensor;
  }
  bool whole = entry.bytes == block.bytes;
  if (!whole) verify(view.block);
  block.file->read(block.begin + view.offset * size_of(entry.dtype), tensor.raw(), entry.bytes);
  if (whole && block.crc32) {
    uint32_t crc = add_crc32(0, tensor.raw(), static_cast<size_t>(entry.bytes));
    check_crc(*block.file, block.name, crc, *block.crc32);
  }
  if (entry.dtype == DType::b8) check_bools(*block.file, entry, tensor);
  return tensor;
}

// Cut along the axis with the longest stride: there the pieces lie one behind the other in the file.
void Content::read_pieces(size_t i, int64_t most, const OnPiece& on_piece) const {
  const Entry& entry = entries[i];
  require_readable(entry);
  if (entry.bytes == 0) return;
  const View& view = views[i];
  const Block& block = blocks[view.block];
  int64_t element = size_of(entry.dtype);
  std::vector<int64_t> sizes = entry.sizes, strides = view.strides;
  if (sizes.empty()) sizes = strides = {1};  // one element: one row
  size_t axis = 0;
  for (size_t k = 1; k < sizes.size(); ++k) {
    if (sizes[k] > 1 && (sizes[axis] == 1 || strides[k] > strides[axis])) axis = k;
  }
  int64_t inner = 1;  // elements from the first to the last of one row
  for (size_t k = 0; k < sizes.size(); ++k) {
    if (k != axis) inner += (sizes[k] - 1) * strides[k];
  }
  int64_t step = strides[axis], rows_at_once = std::max<int64_t>(1, most / element);
  if (step > 0) rows_at_once = 1 + std::max<int64_t>(0, most / element - inner) / step;
  bool whole = entry.bytes == block.bytes && view.strides == row_major_strides(entry.sizes);
  if (!whole) verify(view.block);
  uint32_t crc = 0;
  for (int64_t begin = 0; begin < sizes[axis]; begin += rows_at_once) {
    int64_t end = std::min(sizes[axis], begin + rows_at_once), span = (end - begin - 1) * step + inner;
    Tensor storage = Tensor::empty({span}, entry.dtype);
    block.file->read(block.begin + (view.offset + begin * step) * element, storage.raw(), span * element);
    if (whole) crc = add_crc32(crc, storage.raw(), static_cast<size_t>(storage.bytes()));
    std::vector<int64_t> here = sizes;
    here[axis] = end - begin;
    Tensor piece = storage.as_strided(Shape(std::span<const int64_t>(here)),
                                      Shape(std::span<const int64_t>(strides)), 0);
    if (entry.dtype == DType::b8) {
      piece = piece.contiguous();
      check_bools(*block.file, entry, piece);
    }
    on_piece(static_cast<int>(axis), begin, end, piece);
  }
  if (whole && block.crc32) check_crc(*block.file, block.name, crc, *block.crc32);
}

}  // namespace graft::weights
