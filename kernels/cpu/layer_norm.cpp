#include "kernels/layer_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"
#include "kernels/cpu/row_sums.h"

void layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Tensor& y,
                const Tensor& mean, const Tensor& inverse) {
  int64_t cols = x.dim(-1);
  with_real(x.dtype(), "layer_norm", [&](auto zero) {
    using T = decltype(zero);
    const T *w = weight.data<T>(), *b = bias.data<T>(), *all_x = x.data<T>();
    T *all_y = y.data<T>(), *means = mean.data<T>(), *inverses = inverse.data<T>();
    for_each_row(mean.numel(), cols, [=](int64_t row) {
      const T* p = all_x + row * cols;
      T* __restrict q = all_y + row * cols;
      double n = static_cast<double>(cols), center = sum_along(cols, [=](int64_t j) { return p[j]; }) / n;
      double squares = sum_along(cols, [=](int64_t j) {
        double d = static_cast<double>(p[j]) - center;
        return d * d;
      });
      T m = means[row] = static_cast<T>(center);
      T v = inverses[row] = static_cast<T>(1 / std::sqrt(squares / n + eps));
      for (int64_t j = 0; j < cols; ++j) q[j] = (p[j] - m) * v * w[j] + b[j];
    });
  });
}

void layer_norm_grad_input(const Tensor& x, const Tensor& dy, const Tensor& weight, const Tensor& mean,
                           const Tensor& inverse, const Tensor& dx) {
  int64_t cols = x.dim(-1);
  with_real(x.dtype(), "layer_norm_grad_input", [&](auto zero) {
    using T = decltype(zero);
    const T *w = weight.data<T>(), *all_x = x.data<T>(), *all_dy = dy.data<T>();
    const T *means = mean.data<T>(), *inverses = inverse.data<T>();
    T* all_dx = dx.data<T>();
    for_each_row(mean.numel(), cols, [=](int64_t row) {
      const T *p = all_x + row * cols, *g = all_dy + row * cols, m = means[row], v = inverses[row];
      T* __restrict q = all_dx + row * cols;
      double n = static_cast<double>(cols);
      T level = static_cast<T>(sum_along(cols, [=](int64_t j) { return g[j] * w[j]; }) / n);
      T pull = static_cast<T>(sum_along(cols, [=](int64_t j) { return g[j] * w[j] * (p[j] - m) * v; }) / n);
      for (int64_t j = 0; j < cols; ++j) q[j] = v * (g[j] * w[j] - level - (p[j] - m) * v * pull);
    });
  });
}

void layer_norm_grad_parameters(const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse,
                                const Tensor& dweight, const Tensor& dbias) {
  int64_t cols = x.dim(-1);
  with_real(x.dtype(), "layer_norm_grad_parameters", [&](auto zero) {
    using T = decltype(zero);
    const T *all_x = x.data<T>(), *all_dy = dy.data<T>(), *means = mean.data<T>();
    const T* inverses = inverse.data<T>();
    std::vector<double> sums = sum_over_rows(mean.numel(), cols, 2, [=](int64_t row, double* __restrict sum) {
      const T *p = all_x + row * cols, *g = all_dy + row * cols, m = means[row], v = inverses[row];
      for (int64_t j = 0; j < cols; ++j) {
        sum[j] += static_cast<double>(g[j] * (p[j] - m) * v);
        sum[cols + j] += static_cast<double>(g[j]);
      }
    });
    for (int64_t j = 0; j < cols; ++j) {
      dweight.data<T>()[j] = static_cast<T>(sums[static_cast<size_t>(j)]);
      dbias.data<T>()[j] = static_cast<T>(sums[static_cast<size_t>(cols + j)]);
    }
  });
}

#include "kernels/cpu/level_end.h"
