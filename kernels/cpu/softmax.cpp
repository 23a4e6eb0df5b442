#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

namespace {

// Rows that make a piece of work worth handing to a thread.
int64_t rows_per_piece(int64_t cols) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, cols));
}

template <class T>
void softmax_row(const T* x, T* y, int64_t cols) {
  T highest = x[0];
  for (int64_t j = 1; j < cols; ++j) highest = std::max(highest, x[j]);
  T sum = 0;
  for (int64_t j = 0; j < cols; ++j) sum += y[j] = std::exp(x[j] - highest);
  for (int64_t j = 0; j < cols; ++j) y[j] /= sum;
}

template <class T>
void softmax_grad_row(const T* y, const T* dy, T* dx, int64_t cols) {
  T dot = 0;
  for (int64_t j = 0; j < cols; ++j) dot += y[j] * dy[j];
  for (int64_t j = 0; j < cols; ++j) dx[j] = y[j] * (dy[j] - dot);
}

}  // namespace

void softmax(const Tensor& x, const Tensor& y) {
  if (x.numel() == 0) return;
  int64_t cols = x.dim(-1), rows = x.numel() / cols;
  with_real(x.dtype(), "softmax", [&](auto zero) {
    using T = decltype(zero);
    parallel_for(rows, rows_per_piece(cols),
                 [&, a = x.data<T>(), b = y.data<T>()](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) softmax_row(a + i * cols, b + i * cols, cols);
                 });
  });
}

void softmax_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  if (y.numel() == 0) return;
  int64_t cols = y.dim(-1), rows = y.numel() / cols;
  with_real(y.dtype(), "softmax_grad", [&](auto zero) {
    using T = decltype(zero);
    const T *p = y.data<T>(), *g = dy.data<T>();
    T* out = dx.data<T>();
    parallel_for(rows, rows_per_piece(cols), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        softmax_grad_row(p + i * cols, g + i * cols, out + i * cols, cols);
    });
  });
}

#include "kernels/cpu/level_end.h"
