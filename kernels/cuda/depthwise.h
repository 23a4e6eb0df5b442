// Depthwise convolution: one filter for each channel, so there is no product of matrices to make, only the
// pictures to read.
#pragma once

#include "kernels/cuda/conv_windows.h"
#include "kernels/cuda/gemm_output.h"

namespace graft::kernels::cuda {

inline constexpr int kDepthwiseChannels = 32, kDepthwiseRows = 8;

// The grid of windows, and which of the filter's taps lies under tap (i, j) of a window: (first_h + i * step,
// first_w + j * step). Forwards that is (i, j) itself; for a phase of the input's gradient they are reversed,
// `stride` apart.
struct DepthwiseTaps {
  int taps_h, taps_w;
  int first_h, first_w, step;
  int filter_w, filter_size;

  __device__ int place(int i, int j) const { return (first_h + i * step) * filter_w + first_w + j * step; }
};

// How the grid of windows lies over the pictures.
struct DepthwiseGrid {
  explicit DepthwiseGrid(const WindowGrid& g)
      : by_picture(std::max<int64_t>(1, g.rows * g.cols)),
        by_row(std::max<int64_t>(1, g.cols)),
        windows(to_int(g.windows())),
        height(to_int(g.height)),
        width(to_int(g.width)),
        channels(to_int(g.channels)),
        stride(to_int(g.stride)),
        top(static_cast<int>(g.top)),
        left(static_cast<int>(g.left)) {}

  struct Window {
    int picture, row, col;  // the pixel under the first tap
  };
  __device__ Window window(int i) const {
    int picture = by_picture.quotient(i), pixel = by_picture.remainder(i, picture);
    int row = by_row.quotient(pixel), col = by_row.remainder(pixel, row);
    return {picture, row * stride + top, col * stride + left};
  }
  // 0 in the padding.
  template <class T>
  __device__ float pixel(const T* x, const Window& w, int i, int j, int channel) const {
    int row = w.row + i, col = w.col + j;
    bool inside = static_cast<unsigned>(row) < static_cast<unsigned>(height) &&
                  static_cast<unsigned>(col) < static_cast<unsigned>(width);
    if (!inside) return 0;
    return to_float(x[((int64_t{w.picture} * height + row) * width + col) * channels + channel]);
  }

  Divisor by_picture, by_row;
  int windows, height, width, channels, stride, top, left;
};

// The filters of a block's channels, some taps at a time, transposed: neighbouring channels are neighbours.
// The odd row length lets neighbouring taps of one channel, which are neighbours in memory, fall in different
// banks.
inline constexpr int kTapsAtOnce = 32;
struct DepthwiseFilters {
  float taps[kTapsAtOnce][kDepthwiseChannels + 1];
};

// A block for 32 channels of `kWindowsEach` * 8 windows: a lane has a channel, a warp every eighth window.
inline constexpr int kWindowsEach = 4;
template <class T>
__global__ void __launch_bounds__(kDepthwiseChannels* kDepthwiseRows)
    depthwise_windows(const T* x, const T* weight, const __grid_constant__ DepthwiseGrid grid,
                      DepthwiseTaps taps, const __grid_constant__ Output<T, ResultRows> out) {
  DepthwiseFilters& filters = shared<DepthwiseFilters>();
  int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  int first_channel = static_cast<int>(blockIdx.y) * kDepthwiseChannels, channel = first_channel + lane;
  int first = static_cast<int>(blockIdx.x) * kWindowsEach * kDepthwiseRows + warp;
  float sums[kWindowsEach] = {};
  int tap_count = taps.taps_h * taps.taps_w;
  for (int begin = 0; begin < tap_count; begin += kTapsAtOnce) {
    int count = min(kTapsAtOnce, tap_count - begin);
    __syncthreads();  // the readers of the taps before are done with filters
    for (int i = warp * kDepthwiseChannels + lane; i < count * kDepthwiseChannels;
         i += kDepthwiseChannels * kDepthwiseRows) {
      int c = i / count, tap = i - c * count, row = (begin + tap) / taps.taps_w;
      int place = taps.place(row, begin + tap - row * taps.taps_w);
      bool exists = first_channel + c < grid.channels;
      filters.taps[tap][c] =
          exists ? to_float(weight[int64_t{first_channel + c} * taps.filter_size + place]) : 0.0f;
    }
    __syncthreads();  // filters holds these taps
    if (channel >= grid.channels) continue;
    GRAFT_UNROLL
    for (int n = 0; n < kWindowsEach; ++n) {
      int index = first + n * kDepthwiseRows;
      if (index >= grid.windows) continue;
      auto window = grid.window(index);
      int row = begin / taps.taps_w, col = begin - row * taps.taps_w;
      for (int tap = 0; tap < count; ++tap) {
        sums[n] += filters.taps[tap][lane] * grid.pixel(x, window, row, col, channel);
        if (++col < taps.taps_w) continue;
        col = 0;
        ++row;
      }
    }
  }
  if (channel >= grid.channels) return;
  GRAFT_UNROLL
  for (int n = 0; n < kWindowsEach; ++n) {
    int index = first + n * kDepthwiseRows;
    if (index >= grid.windows) continue;
    int64_t at = out.rows(index) + channel;
    out.result[at] = from_float<T>(out.epilogue(sums[n], channel, at));
  }
}

// The gradient of the filters. A block has 32 channels, nine of the taps (blockIdx.z) and a part of the
// windows; each of its warps sums every eighth window, and the eight are added in their order.
inline constexpr int kGradTaps = 9;
struct DepthwiseGradSums {
  float of[kDepthwiseRows][kGradTaps][kDepthwiseChannels];
};
template <class T>
__global__ void __launch_bounds__(kDepthwiseChannels* kDepthwiseRows)
    depthwise_grad_weight_parts(const T* x, const T* dy, const __grid_constant__ DepthwiseGrid grid,
                                DepthwiseTaps taps, int windows_each, float* parts) {
  DepthwiseGradSums& sums = shared<DepthwiseGradSums>();
  int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  int channel = static_cast<int>(blockIdx.y) * kDepthwiseChannels + lane;
  int first_tap = static_cast<int>(blockIdx.z) * kGradTaps, tap_count = taps.taps_h * taps.taps_w;
  int rows[kGradTaps], cols[kGradTaps];
  float sum[kGradTaps] = {};
  GRAFT_UNROLL
  for (int t = 0; t < kGradTaps; ++t) {
    rows[t] = (first_tap + t) / taps.taps_w;
    cols[t] = first_tap + t - rows[t] * taps.taps_w;
  }
  int begin = static_cast<int>(blockIdx.x) * windows_each, end = min(grid.windows, begin + windows_each);
  if (channel < grid.channels) {
    for (int i = begin + warp; i < end; i += kDepthwiseRows) {
      auto window = grid.window(i);
      float d = to_float(dy[int64_t{i} * grid.channels + channel]);
      GRAFT_UNROLL
      for (int t = 0; t < kGradTaps; ++t) sum[t] += d * grid.pixel(x, window, rows[t], cols[t], channel);
    }
  }
  GRAFT_UNROLL
  for (int t = 0; t < kGradTaps; ++t) sums.of[warp][t][lane] = sum[t];
  __syncthreads();  // all warps' sums are written
  if (channel >= grid.channels) return;
  for (int t = warp; t < kGradTaps && first_tap + t < tap_count; t += kDepthwiseRows) {
    float total = 0;
    for (int w = 0; w < kDepthwiseRows; ++w) total += sums.of[w][t][lane];
    int64_t filter = blockIdx.x * int64_t{grid.channels} + channel;
    parts[filter * tap_count + first_tap + t] = total;
  }
}

}  // namespace graft::kernels::cuda
