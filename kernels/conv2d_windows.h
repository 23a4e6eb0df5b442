// Convolution seen as a grid of windows that slide over pictures. The forward pass is one such grid. The
// gradient of the input is `stride` x `stride` of them: the input pixels (h, w) with h % stride and w %
// stride fixed see the same taps of the kernel, at unit stride and in reverse order; together they are the
// transposed convolution, without its zeros.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "kernels/conv2d.h"

namespace graft::kernels {

struct WindowGrid {
  int64_t pictures, height, width, channels;  // what the windows look at
  int64_t rows, cols;                         // windows of a picture
  int64_t taps_h, taps_w;                     // of a window
  int64_t stride;                             // between windows
  int64_t top, left;  // the pixel under the first tap of window (0, 0); negative in the padding

  int64_t windows() const { return pictures * rows * cols; }
};

// Where the result of a window goes: pixel (row * step + row_phase, col * step + col_phase) of [pictures,
// height, width, channels].
struct ResultGrid {
  int64_t height, width, channels;
  int64_t step = 1, row_phase = 0, col_phase = 0;

  int64_t offset(int64_t picture, int64_t row, int64_t col) const {
    return ((picture * height + row * step + row_phase) * width + col * step + col_phase) * channels;
  }
};

inline WindowGrid forward_grid(const Shape& x, const Shape& weight, ConvWindow window, const Shape& y) {
  return {x[0],           x[1], x[2], x[3], y[1], y[2], weight[1], weight[2], window.stride, -window.padding,
          -window.padding};
}

// One phase of the gradient of the input. Tap (i, j) of its windows, which look at dy, is the kernel's tap
// (first_h - i * stride, first_w - j * stride). taps_h or taps_w may be 0: no window covers these pixels.
struct GradPhase {
  WindowGrid grid;
  ResultGrid result;
  int64_t first_h, first_w;
};

inline std::vector<GradPhase> grad_phases(const Shape& x, const Shape& weight, ConvWindow window,
                                          const Shape& dy) {
  int64_t stride = window.stride;
  // Along one axis: the taps k with (phase + padding - k) divisible by the stride. The last of them comes
  // first, and lies at (phase + padding - k) / stride for the first pixel of the phase.
  struct Axis {
    int64_t count, taps, first, start;
  };
  auto axis = [&](int64_t size, int64_t kernel, int64_t phase) {
    int64_t lowest = (phase + window.padding) % stride;
    int64_t taps = lowest < kernel ? (kernel - 1 - lowest) / stride + 1 : 0;
    int64_t first = lowest + (taps - 1) * stride;
    return Axis{phase < size ? (size - phase - 1) / stride + 1 : 0, taps, first,
                taps ? (phase + window.padding - first) / stride : 0};
  };
  std::vector<GradPhase> phases;
  for (int64_t row_phase = 0; row_phase < stride; ++row_phase) {
    Axis v = axis(x[1], weight[1], row_phase);
    for (int64_t col_phase = 0; col_phase < stride; ++col_phase) {
      Axis h = axis(x[2], weight[2], col_phase);
      if (v.count == 0 || h.count == 0) continue;
      phases.push_back({{dy[0], dy[1], dy[2], dy[3], v.count, h.count, v.taps, h.taps, 1, v.start, h.start},
                        {x[1], x[2], x[3], stride, row_phase, col_phase},
                        v.first,
                        h.first});
    }
  }
  return phases;
}

}  // namespace graft::kernels
