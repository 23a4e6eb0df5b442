// Convolution as a product of matrices (gemm.h) one of which exists only quad by quad: its rows are the
// windows of a grid (kernels/conv2d_windows.h), its columns the taps of a window, each with its channels.
// Nothing is gathered in memory.
//
// In [N, H, W, C] a row of taps is one run of memory, `taps_w * channels` long, and so is a row of pixels; a
// window that hangs over the edge has a run that begins before its row of pixels, or ends after it. With
// groups a tap's channels are a run.
#pragma once

#include "kernels/conv2d_windows.h"
#include "kernels/cuda/gemm_operands.h"

namespace graft::kernels::cuda {

template <class T>
class Windows {
 public:
  Windows(const WindowGrid& grid, const T* x, int64_t groups)
      : x_(x),
        channels_(to_int(grid.channels)),
        height_(to_int(grid.height)),
        row_(to_int(grid.width * grid.channels)),
        stride_(to_int(grid.stride)),
        top_(static_cast<int>(grid.top)),
        left_(static_cast<int>(grid.left)),
        count_(to_int(grid.windows())),
        group_channels_(to_int(grid.channels / groups)),
        by_picture_(std::max<int64_t>(1, grid.rows * grid.cols)),
        by_row_(std::max<int64_t>(1, grid.cols)),
        by_run_(std::max<int64_t>(1, (groups == 1 ? grid.taps_w : 1) * group_channels_)),
        runs_(groups == 1 ? 1 : std::max<int64_t>(1, grid.taps_w)),
        quads_(quads_at(x, grid.channels) && group_channels_ % 4 == 0),
        runs_of_16_bytes_(is_aligned(x) && grid.channels % kPack<T> == 0 && group_channels_ % kPack<T> == 0) {
  }

  int64_t depth(const WindowGrid& grid) const { return grid.taps_h * grid.taps_w * group_channels_; }
  __device__ int count() const { return count_; }

  // The pixel under the first tap: `at` counts elements from the start of its row of pixels.
  struct Window {
    const T* picture;
    int row, at;
  };
  __device__ Window window(int i) const {
    int picture = by_picture_.quotient(i), pixel = by_picture_.remainder(i, picture);
    int row = by_row_.quotient(pixel), col = by_row_.remainder(pixel, row);
    return {x_ + int64_t{picture} * height_ * row_, row * stride_ + top_,
            (col * stride_ + left_) * channels_};
  }
  // Column k, relative to the window's first tap.
  struct Tap {
    int row, at;
  };
  __device__ Tap tap(int k) const {
    int run = by_run_.quotient(k), row = runs_.quotient(run);
    return {row, runs_.remainder(run, row) * channels_ + by_run_.remainder(k, run)};
  }
  __device__ int group_offset(int group) const { return group * group_channels_; }

  // 0 in the padding.
  __device__ float value(const Window& window, const Tap& tap) const {
    const T* p = place(window, tap);
    return p ? to_float(*p) : 0.0f;
  }
  // Columns k .. k + 3; `quads` promises that they belong to one tap.
  __device__ bool quads() const { return quads_; }
  __device__ float4 quad(const Window& window, const Tap& tap) const {
    const T* p = place(window, tap);
    return p ? load_quad(p) : make_float4(0, 0, 0, 0);
  }
  // Runs of 16 bytes in a tap (gemm_operands.h).
  bool has_runs() const { return runs_of_16_bytes_; }
  __device__ Run<T> run(const Window& window, const Tap& tap) const {
    const T* p = place(window, tap);
    return {p ? p : x_, p != nullptr};
  }
  __device__ Run<T> outside() const { return {x_, false}; }

 private:
  __device__ const T* place(const Window& window, const Tap& tap) const {
    int row = window.row + tap.row, at = window.at + tap.at;
    bool inside = static_cast<unsigned>(row) < static_cast<unsigned>(height_) &&
                  static_cast<unsigned>(at) < static_cast<unsigned>(row_);
    return inside ? window.picture + (int64_t{row} * row_ + at) : nullptr;
  }

  const T* x_;
  int channels_, height_, row_, stride_, top_, left_, count_, group_channels_;
  Divisor by_picture_, by_row_, by_run_, runs_;
  bool quads_, runs_of_16_bytes_;
};

// Windows as lines along the depth: for the result, and for the gradient of the input.
template <class T>
struct WindowsAlongDepth {
  using Element = T;
  static constexpr bool kAlongDepth = true, kGathers = true;
  using Line = typename Windows<T>::Window;

  __device__ Line line(int group, int l) const {
    if (l >= windows.count()) return {nullptr, 0, 0};
    Line line = windows.window(l);
    line.picture += windows.group_offset(group);
    return line;
  }
  __device__ float4 load(const Line& line, int k, int end) const {
    if (!line.picture || k >= end) return make_float4(0, 0, 0, 0);
    if (windows.quads()) return windows.quad(line, windows.tap(k));
    auto at = [&](int i) { return k + i < end ? windows.value(line, windows.tap(k + i)) : 0.0f; };
    return make_float4(at(0), at(1), at(2), at(3));
  }
  bool has_runs() const { return windows.has_runs(); }
  __device__ Run<T> run(const Line& line, int k, int end) const {
    return line.picture && k < end ? windows.run(line, windows.tap(k)) : windows.outside();
  }

  Windows<T> windows;
};

// Taps as lines, windows as the depth: for the gradient of the weight.
template <class T>
struct WindowsAcrossDepth {
  using Element = T;
  static constexpr bool kAlongDepth = false, kGathers = true;
  struct Line {
    int first;                     // of four taps
    typename Windows<T>::Tap tap;  // the first
    int group_offset;
  };

  __device__ Line line(int group, int l) const {
    return {l, windows.tap(l < lines ? l : 0), windows.group_offset(group)};
  }
  __device__ float4 load(const Line& line, int k, int end) const {
    if (k >= end || line.first >= lines) return make_float4(0, 0, 0, 0);
    auto window = windows.window(k);
    window.picture += line.group_offset;
    if (windows.quads()) return windows.quad(window, line.tap);
    auto at = [&](int i) {
      return line.first + i < lines ? windows.value(window, windows.tap(line.first + i)) : 0.0f;
    };
    return make_float4(at(0), at(1), at(2), at(3));
  }
  bool has_runs() const { return windows.has_runs(); }
  __device__ Run<T> run(const Line& line, int k, int end) const {
    if (k >= end || line.first >= lines) return windows.outside();
    auto window = windows.window(k);
    window.picture += line.group_offset;
    return windows.run(window, line.tap);
  }

  Windows<T> windows;
  int lines;
};

// Where the weights of one phase of the input's gradient start: line k is output k % outputs at tap
// k / outputs of the phase, in the order of its windows (GradPhase).
class PhaseWeights {
 public:
  PhaseWeights(const GradPhase& phase, const Shape& weight, int64_t stride, int64_t groups)
      : by_outputs_(std::max<int64_t>(1, weight[0] / groups)),
        by_taps_w_(std::max<int64_t>(1, phase.grid.taps_w)),
        first_h_(static_cast<int>(phase.first_h)),
        first_w_(static_cast<int>(phase.first_w)),
        stride_(to_int(stride)),
        width_(to_int(weight[2])),
        inputs_(to_int(weight[3])),
        kernel_size_(weight[1] * weight[2] * weight[3]) {}

  __device__ int64_t operator()(int k) const {
    int tap = by_outputs_.quotient(k), output = by_outputs_.remainder(k, tap);
    int row = by_taps_w_.quotient(tap), col = by_taps_w_.remainder(tap, row);
    int place = (first_h_ - row * stride_) * width_ + first_w_ - col * stride_;
    return output * kernel_size_ + int64_t{place} * inputs_;
  }

 private:
  Divisor by_outputs_, by_taps_w_;
  int first_h_, first_w_, stride_, width_, inputs_;
  int64_t kernel_size_;
};

// Row r of a product is pixel r of a ResultGrid.
class ResultRows {
 public:
  ResultRows(const ResultGrid& result, int64_t rows, int64_t cols)
      : by_picture_(std::max<int64_t>(1, rows * cols)),
        by_row_(std::max<int64_t>(1, cols)),
        height_(to_int(result.height)),
        width_(to_int(result.width)),
        channels_(to_int(result.channels)),
        step_(to_int(result.step)),
        row_phase_(to_int(result.row_phase)),
        col_phase_(to_int(result.col_phase)) {}

  __device__ int64_t operator()(int r) const {
    int picture = by_picture_.quotient(r), pixel = by_picture_.remainder(r, picture);
    int row = by_row_.quotient(pixel), col = by_row_.remainder(pixel, row);
    int64_t line = int64_t{picture} * height_ + row * step_ + row_phase_;
    return (line * width_ + col * step_ + col_phase_) * channels_;
  }

 private:
  Divisor by_picture_, by_row_;
  int height_, width_, channels_, step_, row_phase_, col_phase_;
};

}  // namespace graft::kernels::cuda
