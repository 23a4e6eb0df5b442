#include "kernels/conv2d.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/parallel.h"
#include "kernels/conv2d_windows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/level_begin.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/conv2d_depthwise.h"
#include "kernels/cpu/conv2d_winograd.h"

namespace {

// The windows of a grid as the rows of a matrix [windows, taps_h * taps_w * channels of the group] that
// exists only block by block. Since pictures are NHWC, a row of taps is one run of memory; with groups, a
// tap's channels are.
template <class T>
struct Windows {
  struct Row {
    const T* picture;
    int64_t top, left;
    bool inside;  // no part of the window lies in the padding
  };

  Windows(const WindowGrid& grid_, const T* x_, int64_t groups)
      : grid(grid_), x(x_), channels(grid_.channels / groups), run_taps(groups == 1 ? grid_.taps_w : 1) {}

  int64_t depth() const { return grid.taps_h * grid.taps_w * channels; }

  void rows(int64_t first, int64_t count, Row* out) const {
    int64_t col = first % grid.cols, row = first / grid.cols % grid.rows,
            picture = first / grid.cols / grid.rows;
    for (int64_t i = 0; i < count; ++i) {
      int64_t top = row * grid.stride + grid.top, left = col * grid.stride + grid.left;
      bool inside =
          top >= 0 && left >= 0 && top + grid.taps_h <= grid.height && left + grid.taps_w <= grid.width;
      out[i] = {x + picture * grid.height * grid.width * grid.channels, top, left, inside};
      if (++col < grid.cols) continue;
      col = 0;
      if (++row < grid.rows) continue;
      row = 0;
      ++picture;
    }
  }

  void copy(const Row& row, int64_t begin, int64_t end, T* out) const {
    if (begin == end) return;  // windows without taps
    int64_t run = run_taps * channels, runs_w = grid.taps_w / run_taps;
    int64_t index = 0, skip = begin;
    if (begin >= run) {
      index = begin / run;
      skip = begin % run;
    }
    int64_t tap_h = index, tap_w = 0;
    if (runs_w > 1) {
      tap_h = index / runs_w;
      tap_w = index % runs_w * run_taps;
    }
    const T* from = row.picture + ((row.top + tap_h) * grid.width + row.left) * grid.channels;
    for (int64_t left = end - begin; left > 0; skip = 0) {
      int64_t count = std::min(run - skip, left);
      if (row.inside)
        copy_run(from + tap_w * grid.channels + skip, count, out);
      else
        copy_taps(row.picture, row.top + tap_h, row.left + tap_w, skip, count, out);
      left -= count;
      out += count;
      tap_w += run_taps;
      if (tap_w == grid.taps_w) {
        tap_w = 0;
        ++tap_h;
        from += grid.width * grid.channels;
      }
    }
  }

  // Windows at stride 1 overlap, and the hardware sees them coming, unless they are single pixels.
  const T* ahead(const Row& row, int64_t begin) const {
    if (!row.inside || (grid.stride == 1 && grid.taps_h * grid.taps_w != 1)) return nullptr;
    int64_t run = run_taps * channels, index = begin / run;
    int64_t runs_w = grid.taps_w / run_taps, tap_h = index / runs_w, tap_w = index % runs_w * run_taps;
    return row.picture + ((row.top + tap_h) * grid.width + row.left + tap_w) * grid.channels + begin % run;
  }

  // `count` elements of the run of taps that starts at pixel (h, w), from its element `skip` on; zeros in the
  // padding.
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

bool is_depthwise(const Shape& weight, int64_t groups) {
  return groups > 1 && weight[0] == groups && weight[3] == 1;
}

// The pixels of a ResultGrid as rows of the result.
template <class T>
struct ResultRows {
  ResultGrid result;
  int64_t grid_rows, grid_cols;
  T* y;

  void rows(int64_t first, int64_t count, T** out) const {
    int64_t col = first % grid_cols, row = first / grid_cols % grid_rows,
            picture = first / grid_cols / grid_rows;
    for (int64_t i = 0; i < count; ++i) {
      out[i] = y + result.offset(picture, row, col);
      if (++col < grid_cols) continue;
      col = 0;
      if (++row < grid_rows) continue;
      row = 0;
      ++picture;
    }
  }
};

}  // namespace

void conv2d(const Tensor& x, const Tensor& weight, ConvWindow window, const ConvEpilogue& epilogue,
            const Tensor& y) {
  with_real(x.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    WindowGrid grid = forward_grid(x.shape(), weight.shape(), window, y.shape());
    ResultGrid result{y.dim(1), y.dim(2), y.dim(3)};
    T* out = y.data<T>();
    if (is_depthwise(weight.shape(), window.groups)) {
      auto taps =
          depthwise_taps<T>(weight, grid.taps_h - 1, grid.taps_w - 1, 1, grid.taps_h, grid.taps_w, true);
      return depthwise_windows<T>(grid, x.data<T>(), taps.get(), result, out, epilogue_of(epilogue, out, 0));
    }
    int64_t outputs = weight.dim(0) / window.groups;
    for (int64_t g = 0; g < window.groups; ++g) {
      Windows<T> windows(grid, x.data<T>() + g * weight.dim(3), window.groups);
      int64_t depth = windows.depth();
      TransposedPanels<T> panels{weight.data<T>() + g * outputs * depth, depth};
      if (window.groups == 1 && winograd_fits(grid, outputs)) {
        winograd_windows<T>(grid, x.data<T>(), panels, outputs, out, epilogue_of(epilogue, out, 0));
        continue;
      }
      multiply_rows<T>(windows, grid.windows(), panels, outputs, depth,
                       ResultRows<T>{result, grid.rows, grid.cols, out + g * outputs},
                       epilogue_of(epilogue, out, g * outputs));
    }
  });
}

void conv2d_grad_input(const Tensor& dy, const Tensor& weight, ConvWindow window, const Tensor& dx) {
  with_real(dy.dtype(), "conv2d_grad_input", [&](auto zero) {
    using T = decltype(zero);
    int64_t outputs = weight.dim(0) / window.groups, inputs = weight.dim(3);
    int64_t row_size = weight.dim(2) * inputs, kernel_size = weight.dim(1) * row_size;
    for (const GradPhase& phase : grad_phases(dx.shape(), weight.shape(), window, dy.shape())) {
      if (is_depthwise(weight.shape(), window.groups)) {
        auto taps = depthwise_taps<T>(weight, phase.first_h, phase.first_w, window.stride, phase.grid.taps_h,
                                      phase.grid.taps_w, false);
        depthwise_windows<T>(phase.grid, dy.data<T>(), taps.get(), phase.result, dx.data<T>(), Epilogue<T>{});
        continue;
      }
      for (int64_t g = 0; g < window.groups; ++g) {
        const WindowGrid& grid = phase.grid;
        Windows<T> windows(grid, dy.data<T>() + g * outputs, window.groups);
        // The outputs' weights for one tap are a run.
        auto tap_start = [&, from = weight.data<T>() + g * outputs * kernel_size](int64_t tap) {
          int64_t h = phase.first_h - tap / grid.taps_w * window.stride;
          return from + h * row_size + (phase.first_w - tap % grid.taps_w * window.stride) * inputs;
        };
        RowPanels<T, decltype(tap_start)> panels{tap_start, outputs, kernel_size};
        if (window.groups == 1 && window.stride == 1 && winograd_fits(grid, inputs)) {
          winograd_windows<T>(grid, dy.data<T>(), panels, inputs, dx.data<T>(), Epilogue<T>{});
          continue;
        }
        multiply_rows<T>(windows, grid.windows(), panels, inputs, windows.depth(),
                         ResultRows<T>{phase.result, grid.rows, grid.cols, dx.data<T>() + g * inputs},
                         Epilogue<T>{});
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
      multiply_columns<T>(MatrixRows<T>{dy.data<T>() + g * outputs, dy.dim(3)}, outputs, windows, depth,
                          grid.windows(), dweight.data<T>() + g * outputs * depth, depth);
    }
  });
}

#include "kernels/cpu/level_end.h"
