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

namespace {

// f(a's matrix, b's, c's) for each of a batch, or once. Many small products are shared out among the threads
// whole; a few are each cut into pieces.
template <class T, class F>
void each_product(const Tensor& a, const Tensor& b, const Tensor& c, F f) {
  int64_t batch = a.shape().rank() == 3 ? a.dim(0) : 1;
  auto sizes = [](const Tensor& t) { return t.dim(-2) * t.dim(-1); };
  auto one = [&, pa = a.data<T>(), pb = b.data<T>(), pc = c.data<T>()](int64_t i) {
    f(pa + i * sizes(a), pb + i * sizes(b), pc + i * sizes(c));
  };
  if (batch < kPieces) {
    for (int64_t i = 0; i < batch; ++i) one(i);
    return;
  }
  parallel_for(batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(i);
  });
}

}  // namespace

void matmul_nt(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) {
  with_real(a.dtype(), "matmul_nt", [&](auto zero) {
    using T = decltype(zero);
    int64_t rows = a.dim(-2), depth = a.dim(-1), cols = b.dim(-2);
    Epilogue<T> epilogue;
    if (bias.defined()) epilogue.shift = bias.data<T>();
    each_product<T>(a, b, c, [&](const T* left, const T* right, T* to) {
      multiply_rows<T>(MatrixRows<const T>{left, depth}, rows, TransposedPanels<T>{right, depth}, cols, depth,
                       MatrixRows<T>{to, cols}, epilogue);
    });
  });
}

void matmul_nn(const Tensor& a, const Tensor& b, const Tensor& c) {
  with_real(a.dtype(), "matmul_nn", [&](auto zero) {
    using T = decltype(zero);
    int64_t rows = a.dim(-2), depth = a.dim(-1), cols = b.dim(-1);
    each_product<T>(a, b, c, [&](const T* left, const T* right, T* to) {
      auto start = [right](int64_t) { return right; };
      multiply_rows<T>(MatrixRows<const T>{left, depth}, rows,
                       RowPanels<T, decltype(start)>{start, depth, cols}, cols, depth,
                       MatrixRows<T>{to, cols}, Epilogue<T>{});
    });
  });
}

void matmul_tn(const Tensor& a, const Tensor& b, const Tensor& c) {
  with_real(a.dtype(), "matmul_tn", [&](auto zero) {
    using T = decltype(zero);
    int64_t rows = a.dim(-1), depth = a.dim(-2), cols = b.dim(-1);
    each_product<T>(a, b, c, [&](const T* left, const T* right, T* to) {
      multiply_columns<T>(MatrixRows<const T>{left, rows}, rows, MatrixRows<const T>{right, cols}, cols,
                          depth, to, cols);
    });
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
