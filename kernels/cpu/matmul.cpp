#include "kernels/matmul.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/level_begin.h"
#include "kernels/cpu/gemm.h"

void matmul_nt(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) {
  with_real(a.dtype(), "matmul_nt", [&](auto zero) {
    using T = decltype(zero);
    int64_t depth = a.dim(1), cols = b.dim(0);
    Epilogue<T> epilogue;
    if (bias.defined()) epilogue.shift = bias.data<T>();
    multiply_rows<T>(MatrixRows<const T>{a.data<T>(), depth}, a.dim(0),
                     TransposedPanels<T>{b.data<T>(), depth}, cols, depth, MatrixRows<T>{c.data<T>(), cols},
                     epilogue);
  });
}

void matmul_nn(const Tensor& a, const Tensor& b, const Tensor& c) {
  with_real(a.dtype(), "matmul_nn", [&](auto zero) {
    using T = decltype(zero);
    int64_t depth = a.dim(1), cols = b.dim(1);
    auto start = [from = b.data<T>()](int64_t) { return from; };
    multiply_rows<T>(MatrixRows<const T>{a.data<T>(), depth}, a.dim(0),
                     RowPanels<T, decltype(start)>{start, depth, cols}, cols, depth,
                     MatrixRows<T>{c.data<T>(), cols}, Epilogue<T>{});
  });
}

void matmul_tn(const Tensor& a, const Tensor& b, const Tensor& c) {
  with_real(a.dtype(), "matmul_tn", [&](auto zero) {
    using T = decltype(zero);
    int64_t depth = a.dim(0), rows = a.dim(1), cols = b.dim(1);
    multiply_columns<T>(MatrixRows<const T>{a.data<T>(), rows}, rows, MatrixRows<const T>{b.data<T>(), cols},
                        cols, depth, c.data<T>(), cols);
  });
}

void sum_rows(const Tensor& a, const Tensor& c) {
  with_real(a.dtype(), "sum_rows", [&](auto zero) {
    using T = decltype(zero);
    int64_t rows = a.dim(0), cols = a.dim(1), parts = std::clamp<int64_t>(rows / 64, 1, kPieces);
    int64_t part_rows = ceil_div(rows, parts);
    Scratch<T> sums(parts * cols);
    std::fill_n(sums.get(), parts * cols, T(0));
    parallel_for(parts, 1, [&, from = a.data<T>()](int64_t begin, int64_t end) {
      for (int64_t i = begin * part_rows; i < std::min(rows, end * part_rows); ++i) {
        T* sum = sums.get() + i / part_rows * cols;
        for (int64_t j = 0; j < cols; ++j) sum[j] += from[i * cols + j];
      }
    });
    T* out = c.data<T>();
    std::copy_n(sums.get(), cols, out);
    for (int64_t part = 1; part < parts; ++part) {
      for (int64_t j = 0; j < cols; ++j) out[j] += sums.get()[part * cols + j];
    }
  });
}

#include "kernels/cpu/level_end.h"
