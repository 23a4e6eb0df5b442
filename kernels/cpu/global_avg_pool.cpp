#include "kernels/global_avg_pool.h"

#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

void global_avg_pool(const Tensor& x, const Tensor& y) {
  if (x.numel() == 0) return;
  int64_t pixels = x.dim(1) * x.dim(2), channels = x.dim(3);
  with_real(x.dtype(), "global_avg_pool", [&](auto zero) {
    using T = decltype(zero);
    const T* in = x.data<T>();
    T* out = y.data<T>();
    parallel_for(x.dim(0), 1, [&](int64_t begin, int64_t end) {
      std::vector<double> sums(static_cast<size_t>(channels));
      for (int64_t n = begin; n < end; ++n) {
        sums.assign(sums.size(), 0);
        double* sum = sums.data();
        for (int64_t p = 0; p < pixels; ++p) {
          const T* pixel = in + (n * pixels + p) * channels;
          for (int64_t c = 0; c < channels; ++c) sum[c] += static_cast<double>(pixel[c]);
        }
        double count = static_cast<double>(pixels);
        for (int64_t c = 0; c < channels; ++c) out[n * channels + c] = static_cast<T>(sum[c] / count);
      }
    });
  });
}

void global_avg_pool_grad(const Tensor& dy, const Tensor& dx) {
  if (dx.numel() == 0) return;
  int64_t pixels = dx.dim(1) * dx.dim(2), channels = dx.dim(3);
  with_real(dy.dtype(), "global_avg_pool_grad", [&](auto zero) {
    using T = decltype(zero);
    const T* grad = dy.data<T>();
    T* out = dx.data<T>();
    T count = static_cast<T>(pixels);
    parallel_for(dx.dim(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        T* picture = out + n * pixels * channels;
        for (int64_t c = 0; c < channels; ++c) picture[c] = grad[n * channels + c] / count;
        for (int64_t p = 1; p < pixels; ++p) {
          for (int64_t c = 0; c < channels; ++c) picture[p * channels + c] = picture[c];
        }
      }
    });
  });
}

#include "kernels/cpu/level_end.h"
