// The product that matmul and convolution both run, and which kernel carries it out:
//
//   tier                   for                                                       file
//   plain multiplications  every type, size and alignment                            gemm.h
//   tensor cores by warp   bf16 in runs of 16 bytes, compute capability 8.0 and up   gemm_mma.h
//   by warpgroup           the same where they are matrices; capability 9.0          gemm_wgmma.h
//
// The choice depends on types, sizes, alignment and capability alone. Whether an operand has runs does not
// depend on how many rows it has, and no tier's sums depend on the tile: so a row of the result is the same
// whatever rows are beside it.
#pragma once

#include <algorithm>

#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gemm_mma.h"
#include "kernels/cuda/gemm_wgmma.h"

namespace graft::kernels::cuda {

// Whether warpgroups multiply matrices that are such: a choice by columns and depth alone.
template <class A, class B>
bool by_warpgroup(const A& a, const B& b, int64_t cols, int64_t depth) {
  return cols >= 64 && depth >= 64 && a.has_runs() && b.has_runs() && facts().capability == 90;
}

// f(Tile{}): the widest that leaves enough blocks.
template <class F>
void with_wgmma_tile(int64_t rows, int64_t cols, int64_t slices, F&& f) {
  auto blocks = [&](int64_t tile_cols) {
    return (rows + 127) / 128 * ((cols + tile_cols - 1) / tile_cols) * slices;
  };
  if (cols > 128 && blocks(256) >= 96) {
    f(WideWgmmaTile{});
  } else if (cols > 64 && blocks(128) >= 96) {
    f(WgmmaTile128{});
  } else {
    f(NarrowWgmmaTile{});
  }
}

// c(group) = a(group) b(group)^T. `name` is the kernel's, for errors. With splits > 1, out.parts has room for
// groups * splits * rows * cols floats, which add_parts then sums.
template <class A, class B, class Out>
void multiply(const char* name, const A& a, const B& b, const Out& out, int64_t rows, int64_t cols,
              int64_t depth, int64_t groups = 1, int64_t splits = 1) {
  if (rows == 0 || cols == 0) return;
  if constexpr (kIsMatrix<A> && kIsMatrix<B>) {
    if (by_warpgroup(a, b, cols, depth)) {
      return with_wgmma_tile(rows, cols, groups * splits, [&](auto tile) {
        multiply_wgmma<decltype(tile)>(name, a, b, out, rows, cols, depth, groups, splits);
      });
    }
  }
  if constexpr (std::is_same_v<typename A::Element, __nv_bfloat16>) {
    if (a.has_runs() && b.has_runs() && facts().capability >= 80) {
      // As in with_tile: the large tile where it leaves enough blocks.
      int64_t large = (rows + 127) / 128 * ((cols + 127) / 128) * groups * splits;
      if (cols > 64 && large >= 96) {
        return multiply_mma<LargeMmaTile>(name, a, b, out, rows, cols, depth, groups, splits);
      }
      return multiply_mma<SmallMmaTile>(name, a, b, out, rows, cols, depth, groups, splits);
    }
  }
  multiply_simt(name, a, b, out, rows, cols, depth, groups, splits);
}

// Into how many parts to split the depth of a product with few tiles: a choice by the sizes alone.
inline int64_t splits_for(int64_t rows, int64_t cols, int64_t groups, int64_t depth) {
  int64_t tiles = (rows + 63) / 64 * ((cols + 63) / 64) * groups;
  return std::max<int64_t>(1, std::min<int64_t>({256 / std::max<int64_t>(tiles, 1), depth / 128, 64}));
}

// The same with the depth split as splits_for says; out is [groups, rows, cols] without gaps and epilogue.
template <class T, class A, class B>
void multiply_splitting_depth(const char* name, const A& a, const B& b, const Tensor& out, int64_t rows,
                              int64_t cols, int64_t depth, int64_t groups = 1) {
  if (rows == 0 || cols == 0) return;
  Output<T> output{data<T>(out), {cols}, rows * cols};
  int64_t splits = splits_for(rows, cols, groups, depth), n = groups * rows * cols;
  if (splits == 1) return multiply(name, a, b, output, rows, cols, depth, groups);
  Tensor parts = Tensor::empty({splits * n}, DType::f32, out.device());
  output.parts = data<float>(parts);
  multiply(name, a, b, output, rows, cols, depth, groups, splits);
  launch("add_parts", add_parts<T>, one_thread_per(n), output.parts, to_int(splits), rows * cols, n,
         output.result);
}

}  // namespace graft::kernels::cuda
