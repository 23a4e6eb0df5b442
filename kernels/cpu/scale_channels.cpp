#include "kernels/scale_channels.h"

#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

void scale_channels(const Tensor& x, const Tensor& s, const Tensor& y) {
  if (x.numel() == 0) return;
  int64_t pixels = x.dim(1) * x.dim(2), channels = x.dim(3);
  with_real(x.dtype(), "scale_channels", [&](auto zero) {
    using T = decltype(zero);
    const T *in = x.data<T>(), *factors = s.data<T>();
    T* out = y.data<T>();
    parallel_for(x.dim(0) * pixels, 1 + 32768 / channels, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const T *from = in + p * channels, *factor = factors + p / pixels * channels;
        T* to = out + p * channels;
        for (int64_t c = 0; c < channels; ++c) to[c] = from[c] * factor[c];
      }
    });
  });
}

void scale_channels_grad_scale(const Tensor& x, const Tensor& dy, const Tensor& ds) {
  if (ds.numel() == 0) return;
  int64_t pixels = x.dim(1) * x.dim(2), channels = x.dim(3);
  with_real(x.dtype(), "scale_channels_grad_scale", [&](auto zero) {
    using T = decltype(zero);
    const T *in = x.data<T>(), *grad = dy.data<T>();
    T* out = ds.data<T>();
    parallel_for(x.dim(0), 1, [&](int64_t begin, int64_t end) {
      std::vector<double> sums(static_cast<size_t>(channels));
      for (int64_t n = begin; n < end; ++n) {
        sums.assign(sums.size(), 0);
        for (int64_t i = n * pixels; i < (n + 1) * pixels; ++i) {
          const T *a = in + i * channels, *b = grad + i * channels;
          for (int64_t c = 0; c < channels; ++c)
            sums.data()[c] += static_cast<double>(a[c]) * static_cast<double>(b[c]);
        }
        for (int64_t c = 0; c < channels; ++c) out[n * channels + c] = static_cast<T>(sums.data()[c]);
      }
    });
  });
}

#include "kernels/cpu/level_end.h"
