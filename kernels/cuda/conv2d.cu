#include "kernels/conv2d.h"

#include "kernels/cuda/conv_windows.h"
#include "kernels/cuda/depthwise.h"
#include "kernels/cuda/gemm_tiers.h"
#include "kernels/cuda/pointwise.h"

namespace graft::kernels::cuda {
namespace {

bool is_depthwise(const Shape& weight, int64_t groups) {
  return groups > 1 && weight[0] == groups && weight[3] == 1;
}

template <class T>
void run_depthwise(const char* name, const Tensor& x, const Tensor& weight, const WindowGrid& grid,
                   const DepthwiseTaps& taps, const Output<T, ResultRows>& out) {
  constexpr int kWindows = kWindowsEach * kDepthwiseRows;
  Work work{dim3(grid_size((grid.windows() + kWindows - 1) / kWindows),
                 grid_size((grid.channels + kDepthwiseChannels - 1) / kDepthwiseChannels)),
            dim3(kDepthwiseChannels, kDepthwiseRows)};
  launch(name, depthwise_windows<T>, work, data<T>(x), data<T>(weight), DepthwiseGrid(grid), taps, out);
}

DepthwiseTaps forward_taps(const Shape& weight) {
  return {to_int(weight[1]), to_int(weight[2]), 0, 0, 1, to_int(weight[2]), to_int(weight[1] * weight[2])};
}

DepthwiseTaps phase_taps(const GradPhase& phase, const Shape& weight, int64_t stride) {
  return {to_int(phase.grid.taps_h),       to_int(phase.grid.taps_w), static_cast<int>(phase.first_h),
          static_cast<int>(phase.first_w), -to_int(stride),           to_int(weight[2]),
          to_int(weight[1] * weight[2])};
}

template <class T>
void depthwise_grad_weight(const Tensor& x, const Tensor& dy, const WindowGrid& grid, const Tensor& dweight) {
  constexpr int64_t kMostParts = 64, kLeastWindows = 256;
  int64_t windows = grid.windows(), taps = grid.taps_h * grid.taps_w;
  int64_t each = std::max(kLeastWindows, (windows + kMostParts - 1) / kMostParts);
  int64_t count = (windows + each - 1) / each, n = dweight.numel();
  Tensor parts = Tensor::empty({count * n}, DType::f32, x.device());
  Work work{dim3(grid_size(count), grid_size((grid.channels + kDepthwiseChannels - 1) / kDepthwiseChannels),
                 grid_size((taps + kGradTaps - 1) / kGradTaps)),
            dim3(kDepthwiseChannels, kDepthwiseRows)};
  launch("conv2d_grad_weight: depthwise", depthwise_grad_weight_parts<T>, work, data<T>(x), data<T>(dy),
         DepthwiseGrid(grid), forward_taps(dweight.shape()), to_int(each), data<float>(parts));
  launch("add_parts", add_parts<T>, one_thread_per(n), data<float>(parts), to_int(count), n, n,
         data<T>(dweight));
}

}  // namespace

void conv2d(const Tensor& x, const Tensor& weight, ConvWindow window, const ConvEpilogue& epilogue,
            const Tensor& y) {
  if (is_pointwise(weight.shape(), window)) return pointwise(x, weight, epilogue, y);
  with_storage(x.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    WindowGrid grid = forward_grid(x.shape(), weight.shape(), window, y.shape());
    Epilogue<T> after{PerColumn<T>(epilogue.scale),
                      PerColumn<T>(epilogue.shift),
                      data<T>(epilogue.residual),
                      {epilogue.act}};
    int64_t outputs = weight.dim(0) / window.groups;
    ResultRows rows({y.dim(1), y.dim(2), y.dim(3)}, grid.rows, grid.cols);
    Output<T, ResultRows> out{data<T>(y), rows, outputs, after};
    if (is_depthwise(weight.shape(), window.groups)) {
      return run_depthwise("conv2d: depthwise", x, weight, grid, forward_taps(weight.shape()), out);
    }
    Windows<T> windows(grid, data<T>(x), window.groups);
    int64_t depth = windows.depth(grid);
    multiply("conv2d", WindowsAlongDepth<T>{windows},
             AlongDepth<T>(data<T>(weight), depth, outputs, outputs * depth), out, grid.windows(), outputs,
             depth, window.groups);
  });
}

void conv2d_grad_input(const Tensor& dy, const Tensor& weight, ConvWindow window, const Tensor& dx) {
  if (is_pointwise(weight.shape(), window)) return pointwise_grad_input(dy, weight, dx);
  with_storage(dy.dtype(), "conv2d_grad_input", [&](auto zero) {
    using T = decltype(zero);
    int64_t outputs = weight.dim(0) / window.groups, inputs = weight.dim(3);
    for (const GradPhase& phase : grad_phases(dx.shape(), weight.shape(), window, dy.shape())) {
      ResultRows rows(phase.result, phase.grid.rows, phase.grid.cols);
      Output<T, ResultRows> out{data<T>(dx), rows, inputs};
      if (is_depthwise(weight.shape(), window.groups)) {
        run_depthwise("conv2d_grad_input: depthwise", dy, weight, phase.grid,
                      phase_taps(phase, weight.shape(), window.stride), out);
        continue;
      }
      Windows<T> windows(phase.grid, data<T>(dy), window.groups);
      PhaseWeights steps(phase, weight.shape(), window.stride, window.groups);
      int64_t kernel_size = weight.dim(1) * weight.dim(2) * inputs;
      multiply("conv2d_grad_input", WindowsAlongDepth<T>{windows},
               AlongLines<T, PhaseWeights>(data<T>(weight), steps, inputs, inputs, outputs * kernel_size),
               out, phase.grid.windows(), inputs, windows.depth(phase.grid), window.groups);
    }
  });
}

void conv2d_grad_weight(const Tensor& x, const Tensor& dy, ConvWindow window, const Tensor& dweight) {
  if (is_pointwise(dweight.shape(), window)) return pointwise_grad_weight(x, dy, dweight);
  with_storage(x.dtype(), "conv2d_grad_weight", [&](auto zero) {
    using T = decltype(zero);
    WindowGrid grid = forward_grid(x.shape(), dweight.shape(), window, dy.shape());
    if (is_depthwise(dweight.shape(), window.groups)) {
      return depthwise_grad_weight<T>(x, dy, grid, dweight);
    }
    int64_t outputs = dweight.dim(0) / window.groups, channels = dy.dim(3);
    Windows<T> windows(grid, data<T>(x), window.groups);
    int64_t depth = windows.depth(grid);
    multiply_splitting_depth<T>("conv2d_grad_weight",
                                AlongLines<T>(data<T>(dy), {channels}, channels, outputs, outputs),
                                WindowsAcrossDepth<T>{windows, to_int(depth)}, dweight, outputs, depth,
                                grid.windows(), window.groups);
  });
}

}  // namespace graft::kernels::cuda
