// Many tensors in one launch. A table of them goes into the kernel by value: no copy to the device to wait
// for, and a captured step keeps it. Each tensor is cut into pieces, and each block has one.
#pragma once

#include "kernels/cuda/elements.h"
#include "kernels/cuda/launch.h"

namespace graft::kernels::cuda {

// An Entry has n, its elements, and first_block, which add() fills in.
template <class Entry, int64_t kPiece_, int kMost_>
struct TensorTable {
  static constexpr int64_t kPiece = kPiece_;  // elements of one tensor for each block
  static constexpr int kMost = kMost_;

  Entry entries[kMost];
  int count = 0;
  unsigned blocks = 0;

  void add(Entry entry) {
    static_assert(sizeof(TensorTable) <= 32 * 1000, "a kernel's arguments end at 32,764 bytes");
    entry.first_block = blocks;
    entries[count++] = entry;
    blocks += blocks_of(entry);
  }
  static unsigned blocks_of(const Entry& entry) { return grid_size((entry.n + kPiece - 1) / kPiece); }

  // The last entry that starts at or before the block.
  __device__ const Entry& entry_of(unsigned block) const {
    int low = 0, high = count;
    while (high - low > 1) {
      int middle = (low + high) / 2;
      (entries[middle].first_block <= block ? low : high) = middle;
    }
    return entries[low];
  }
  // The piece [begin, end) of the entry that the block has.
  struct Range {
    int64_t begin, end;
  };
  static __device__ Range piece_of(const Entry& e, unsigned block) {
    int64_t begin = int64_t{block - e.first_block} * kPiece;
    return {begin, min(begin + kPiece, e.n)};
  }
};

// A parameter with what an optimizer keeps of it, as a kernel sees it.
template <class T>
struct ParameterEntry {
  T* value;
  const T* grad;
  float* first;   // velocity or mean; null where there is none
  float* second;  // square
  float* master;  // null: value is stepped itself
  int64_t n;
  unsigned first_block;
  float mean_scale, square_scale;  // Adam's, which depend on the parameter's own count of steps

  __device__ float load(int64_t i) const { return master ? master[i] : to_float(value[i]); }
  __device__ void store(int64_t i, float v) const {
    if (master) master[i] = v;
    value[i] = from_float<T>(v);
  }
};
template <class T, int64_t kPiece>
using ParameterTable = TensorTable<ParameterEntry<T>, kPiece, 256>;

// f(table) for each table of parameters with elements of type T; to_entry(p, entry) fills in what the
// optimizer keeps.
template <class T, int64_t kPiece, class Parameters, class ToEntry, class F>
void for_each_table(const Parameters& parameters, ToEntry to_entry, F f) {
  using Table = ParameterTable<T, kPiece>;
  Table table;
  for (const auto& p : parameters) {
    if (p.value.dtype() != (std::is_same_v<T, float> ? DType::f32 : DType::bf16) || p.value.numel() == 0)
      continue;
    ParameterEntry<T> entry{};
    entry.value = data<T>(p.value);
    entry.grad = data<T>(p.grad);
    entry.master = data<float>(p.master);
    entry.n = p.value.numel();
    to_entry(p, entry);
    table.add(entry);
    if (table.count == Table::kMost) {
      f(table);
      table = {};
    }
  }
  if (table.blocks > 0) f(table);
}

template <class Parameters>
void check_types(const char* op, const Parameters& parameters) {
  for (const auto& p : parameters) with_storage(p.value.dtype(), op, [](auto) {});
}

}  // namespace graft::kernels::cuda
