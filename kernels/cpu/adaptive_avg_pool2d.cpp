#include "kernels/adaptive_avg_pool2d.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

void adaptive_avg_pool2d(const Tensor& x, const Tensor& y) {
  if (y.numel() == 0) return;
  int64_t channels = x.dim(3), rows = y.dim(1), cols = y.dim(2);
  Cells down{x.dim(1), rows}, across{x.dim(2), cols};
  with_real(x.dtype(), "adaptive_avg_pool2d", [&](auto zero) {
    using T = decltype(zero);
    const T* in = x.data<T>();
    T* out = y.data<T>();
    parallel_for(y.dim(0) * rows, 1, [&](int64_t begin, int64_t end) {
      std::vector<double> sums(static_cast<size_t>(channels));
      double* sum = sums.data();
      for (int64_t i = begin; i < end; ++i) {
        int64_t row = i % rows;
        const T* picture = in + i / rows * down.size * across.size * channels;
        for (int64_t col = 0; col < cols; ++col) {
          std::fill(sums.begin(), sums.end(), 0);
          for (int64_t h = down.first(row); h < down.end(row); ++h) {
            for (int64_t w = across.first(col); w < across.end(col); ++w) {
              const T* pixel = picture + (h * across.size + w) * channels;
              for (int64_t c = 0; c < channels; ++c) sum[c] += static_cast<double>(pixel[c]);
            }
          }
          double count =
              static_cast<double>((down.end(row) - down.first(row)) * (across.end(col) - across.first(col)));
          for (int64_t c = 0; c < channels; ++c)
            out[(i * cols + col) * channels + c] = static_cast<T>(sum[c] / count);
        }
      }
    });
  });
}

void adaptive_avg_pool2d_grad(const Tensor& dy, const Tensor& dx) {
  if (dx.numel() == 0) return;
  int64_t channels = dx.dim(3), rows = dy.dim(1), cols = dy.dim(2);
  Cells down{dx.dim(1), rows}, across{dx.dim(2), cols};
  with_real(dy.dtype(), "adaptive_avg_pool2d_grad", [&](auto zero) {
    using T = decltype(zero);
    const T* grad = dy.data<T>();
    T* out = dx.data<T>();
    parallel_for(dx.dim(0) * down.size, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t h = i % down.size;
        const T* cells = grad + i / down.size * rows * cols * channels;
        for (int64_t w = 0; w < across.size; ++w) {
          T* pixel = out + (i * across.size + w) * channels;
          std::fill(pixel, pixel + channels, T(0));
          for (int64_t row = down.first_with(h); row < down.end_with(h); ++row) {
            for (int64_t col = across.first_with(w); col < across.end_with(w); ++col) {
              const T* cell = cells + (row * cols + col) * channels;
              T count =
                  static_cast<T>((down.end(row) - down.first(row)) * (across.end(col) - across.first(col)));
              for (int64_t c = 0; c < channels; ++c) pixel[c] += cell[c] / count;
            }
          }
        }
      }
    });
  });
}

#include "kernels/cpu/level_end.h"
