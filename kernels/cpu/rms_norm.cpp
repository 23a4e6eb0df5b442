#include "kernels/rms_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"
#include "kernels/cpu/row_sums.h"

void rms_norm(const Tensor& x, const Tensor& weight, double eps, const Tensor& y, const Tensor& inverse) {
  int64_t cols = x.dim(-1);
  with_real(x.dtype(), "rms_norm", [&](auto zero) {
    using T = decltype(zero);
    const T *w = weight.data<T>(), *all_x = x.data<T>();
    T *all_y = y.data<T>(), *inverses = inverse.data<T>();
    for_each_row(inverse.numel(), cols, [=](int64_t row) {
      const T* p = all_x + row * cols;
      T* __restrict q = all_y + row * cols;
      double squares = sum_along(cols, [=](int64_t j) {
        double v = static_cast<double>(p[j]);
        return v * v;
      });
      T v = inverses[row] = static_cast<T>(1 / std::sqrt(squares / static_cast<double>(cols) + eps));
      for (int64_t j = 0; j < cols; ++j) q[j] = p[j] * v * w[j];
    });
  });
}

void rms_norm_grad_input(const Tensor& x, const Tensor& dy, const Tensor& weight, const Tensor& inverse,
                         const Tensor& dx) {
  int64_t cols = x.dim(-1);
  with_real(x.dtype(), "rms_norm_grad_input", [&](auto zero) {
    using T = decltype(zero);
    const T *w = weight.data<T>(), *all_x = x.data<T>(), *all_dy = dy.data<T>();
    const T* inverses = inverse.data<T>();
    T* all_dx = dx.data<T>();
    for_each_row(inverse.numel(), cols, [=](int64_t row) {
      const T *p = all_x + row * cols, *g = all_dy + row * cols, v = inverses[row];
      T* __restrict q = all_dx + row * cols;
      double dot = sum_along(cols, [=](int64_t j) { return g[j] * w[j] * p[j] * v; });
      T pull = static_cast<T>(dot / static_cast<double>(cols));
      for (int64_t j = 0; j < cols; ++j) q[j] = v * (g[j] * w[j] - p[j] * v * pull);
    });
  });
}

void rms_norm_grad_weight(const Tensor& x, const Tensor& dy, const Tensor& inverse, const Tensor& dweight) {
  int64_t cols = x.dim(-1);
  with_real(x.dtype(), "rms_norm_grad_weight", [&](auto zero) {
    using T = decltype(zero);
    const T *all_x = x.data<T>(), *all_dy = dy.data<T>(), *inverses = inverse.data<T>();
    std::vector<double> sums =
        sum_over_rows(inverse.numel(), cols, 1, [=](int64_t row, double* __restrict sum) {
          const T *p = all_x + row * cols, *g = all_dy + row * cols, v = inverses[row];
          for (int64_t j = 0; j < cols; ++j) sum[j] += static_cast<double>(g[j] * p[j] * v);
        });
    for (int64_t j = 0; j < cols; ++j) dweight.data<T>()[j] = static_cast<T>(sums[static_cast<size_t>(j)]);
  });
}

#include "kernels/cpu/level_end.h"
