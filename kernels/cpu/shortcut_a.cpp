#include "kernels/shortcut_a.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

void shortcut_a(const Tensor& x, int64_t stride, int64_t before, const Tensor& y) {
  if (y.numel() == 0) return;
  int64_t height = x.dim(1), width = x.dim(2), channels = x.dim(3);
  int64_t rows = y.dim(1), columns = y.dim(2), wide = y.dim(3);
  with_real(x.dtype(), "shortcut_a", [&](auto zero) {
    using T = decltype(zero);
    const T* in = x.data<T>();
    T* out = y.data<T>();
    parallel_for(y.dim(0) * rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t from = row / rows * height + row % rows * stride;
        for (int64_t j = 0; j < columns; ++j) {
          const T* source = in + (from * width + j * stride) * channels;
          T* target = out + (row * columns + j) * wide;
          std::fill(target, target + before, T(0));
          std::copy(source, source + channels, target + before);
          std::fill(target + before + channels, target + wide, T(0));
        }
      }
    });
  });
}

void shortcut_a_grad(const Tensor& dy, int64_t stride, int64_t before, const Tensor& dx) {
  if (dx.numel() == 0) return;
  int64_t height = dx.dim(1), width = dx.dim(2), channels = dx.dim(3);
  int64_t rows = dy.dim(1), columns = dy.dim(2), wide = dy.dim(3);
  with_real(dy.dtype(), "shortcut_a_grad", [&](auto zero) {
    using T = decltype(zero);
    const T* grad = dy.data<T>();
    T* out = dx.data<T>();
    parallel_for(dx.dim(0) * height, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t i = row % height;
        T* target = out + row * width * channels;
        std::fill(target, target + width * channels, T(0));
        if (i % stride != 0) continue;
        int64_t from = row / height * rows + i / stride;
        for (int64_t j = 0; j < columns; ++j) {
          const T* source = grad + (from * columns + j) * wide + before;
          std::copy(source, source + channels, target + j * stride * channels);
        }
      }
    });
  });
}

#include "kernels/cpu/level_end.h"
