#include "kernels/conv2d.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/parallel.h"
#include "kernels/cpu/conv2d_windows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/level_begin.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/conv2d_depthwise.h"

namespace {

// The windows of a grid as the rows of a matrix [windows, taps_h * taps_w * channels of the group] that exists only block
// by block. Since pictures are NHWC, a row of taps is one run of memory; with groups, a tap's channels are.
template <class T>
struct Windows {
  struct Row {
    const T* picture;
    int64_t top, left;
  };

  Windows(const WindowGrid& grid_, const T* x_, int64_t groups)
      : grid(grid_), x(x_), channels(grid_.channels / groups), run_taps(groups == 1 ? grid_.taps_w : 1) {}

  int64_t depth() const { return grid.taps_h * grid.taps_w * channels; }

  Row row(int64_t window) const {
    int64_t col = window % grid.cols, rest = window / grid.cols;
    int64_t row = rest % grid.rows, picture = rest / grid.rows;
    return {x + picture * grid.height * grid.width * grid.channels, row * grid.stride + grid.top,
            col * grid.stride + grid.left};
  }

  void copy(const Row& row, int64_t begin, int64_t end, T* out) const {
    int64_t run = run_taps * channels, runs_w = grid.taps_w / run_taps;
    int64_t index = begin / run, skip = begin % run;
    int64_t tap_h = index / runs_w, tap_w = index % runs_w * run_taps;
    for (int64_t k = begin; k < end; skip = 0) {
      int64_t count = std::min(run - skip, end - k);
      copy_taps(row.picture, row.top + tap_h, row.left + tap_w, skip, count, out);
      k += count;
      out += count;
      tap_w += run_taps;
      if (tap_w == grid.taps_w) {
        tap_w = 0;
        ++tap_h;
      }
    }
  }

  // `count` elements of the run of taps that starts at pixel (h, w), from its element `skip` on; zeros in the padding.
  void copy_taps(const T* picture, int64_t h, int64_t w, int64_t skip, int64_t count, T* out) const {
    if (h < 0 || h >= grid.height) return zero_run(count, out);
    int64_t first = std::clamp<int64_t>(-w * channels - skip, 0, count);
    int64_t last = std::clamp<int64_t>((grid.width - w) * channels - skip, first, count);
    zero_run(first, out);
    copy_run(picture + (h * grid.width + w) * grid.channels + skip + first, last - first, out + first);
    zero_run(count - last, out + last);
  }

  WindowGrid grid;
  const T* x;
  int64_t channels, run_taps;
};

template <class T>
Epilogue<T> epilogue_of(const ConvEpilogue& e, const T* y, int64_t first_channel) {
  Epilogue<T> out;
  if (e.scale.defined()) out.scale = e.scale.data<T>() + first_channel;
  if (e.shift.defined()) out.shift = e.shift.data<T>() + first_channel;
  if (e.residual.defined()) out.residual = e.residual.data<T>();
  out.origin = y;
  if (e.act != Activation::none) out.low = 0;
  if (e.act == Activation::relu6) out.high = 6;
  return out;
}

bool is_depthwise(const Shape& weight, int64_t groups) { return groups > 1 && weight[0] == groups && weight[3] == 1; }

// Runs of a grid's windows against packed weights; the results go to y, at the group's first channel.
template <class T>
void multiply_windows(const Windows<T>& windows, const Panels<T>& weights, const ResultGrid& result, T* y,
                      const Epilogue<T>& epilogue) {
  int64_t rows = windows.grid.rows, cols = windows.grid.cols;
  multiply_rows<T>(windows, windows.grid.windows(), weights,
                   [=](int64_t m) { return y + result.offset(m / (rows * cols), m / cols % rows, m % cols); }, epilogue);
}

}  // namespace

void conv2d(const Tensor& x, const Tensor& weight, ConvWindow window, const ConvEpilogue& epilogue, const Tensor& y) {
  with_real(x.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    WindowGrid grid = forward_grid(x.shape(), weight.shape(), window, y.shape());
    ResultGrid result{y.dim(1), y.dim(2), y.dim(3)};
    T* out = y.data<T>();
    if (is_depthwise(weight.shape(), window.groups)) {
      auto taps = depthwise_taps<T>(weight, grid.taps_h - 1, grid.taps_w - 1, 1, grid.taps_h, grid.taps_w, true);
      return depthwise_windows<T>(grid, x.data<T>(), taps.get(), result, out, epilogue_of(epilogue, out, 0));
    }
    int64_t outputs = weight.dim(0) / window.groups, depth = weight.numel() / std::max<int64_t>(1, weight.dim(0));
    for (int64_t g = 0; g < window.groups; ++g) {
      Panels<T> panels(depth, outputs);
      pack_transposed(weight.data<T>() + g * outputs * depth, depth, panels);
      Windows<T> windows(grid, x.data<T>() + g * weight.dim(3), window.groups);
      multiply_windows(windows, panels, result, out + g * outputs, epilogue_of(epilogue, out, g * outputs));
    }
  });
}

void conv2d_grad_input(const Tensor& dy, const Tensor& weight, ConvWindow window, const Tensor& dx) {
  with_real(dy.dtype(), "conv2d_grad_input", [&](auto zero) {
    using T = decltype(zero);
    int64_t outputs = weight.dim(0) / window.groups, inputs = weight.dim(3);
    int64_t tap_size = inputs, row_size = weight.dim(2) * inputs, kernel_size = weight.dim(1) * row_size;
    for (const GradPhase& phase : grad_phases(dx.shape(), weight.shape(), window, dy.shape())) {
      if (is_depthwise(weight.shape(), window.groups)) {
        auto taps = depthwise_taps<T>(weight, phase.first_h, phase.first_w, window.stride, phase.grid.taps_h,
                                      phase.grid.taps_w, false);
        depthwise_windows<T>(phase.grid, dy.data<T>(), taps.get(), phase.result, dx.data<T>(), Epilogue<T>{});
        continue;
      }
      for (int64_t g = 0; g < window.groups; ++g) {
        Windows<T> windows(phase.grid, dy.data<T>() + g * outputs, window.groups);
        Panels<T> panels(windows.depth(), inputs);
        const T* from = weight.data<T>() + g * outputs * kernel_size;
        pack_rows([&, from](int64_t k) {
          int64_t output = k % outputs, tap_w = k / outputs % phase.grid.taps_w, tap_h = k / outputs / phase.grid.taps_w;
          return from + output * kernel_size + (phase.first_h - tap_h * window.stride) * row_size +
                 (phase.first_w - tap_w * window.stride) * tap_size;
        }, panels);
        multiply_windows(windows, panels, phase.result, dx.data<T>() + g * inputs, Epilogue<T>{});
      }
    }
  });
}

void conv2d_grad_weight(const Tensor& x, const Tensor& dy, ConvWindow window, const Tensor& dweight) {
  with_real(x.dtype(), "conv2d_grad_weight", [&](auto zero) {
    using T = decltype(zero);
    WindowGrid grid = forward_grid(x.shape(), dweight.shape(), window, dy.shape());
    if (is_depthwise(dweight.shape(), window.groups)) {
      return depthwise_grad_weight<T>(grid, x.data<T>(), dy.data<T>(), dweight.data<T>());
    }
    int64_t outputs = dweight.dim(0) / window.groups;
    for (int64_t g = 0; g < window.groups; ++g) {
      Windows<T> windows(grid, x.data<T>() + g * dweight.dim(3), window.groups);
      int64_t depth = windows.depth();
      multiply_columns<T>(MatrixRows<T>{dy.data<T>() + g * outputs, dy.dim(3)}, outputs, windows, depth, grid.windows(),
                          dweight.data<T>() + g * outputs * depth, depth);
    }
  });
}

#include "kernels/cpu/level_end.h"
