// map_elements("relu", relu_formula, y, x): y[i] = f(x[i]...) for contiguous tensors of one type, f32 or
// bf16, computed in float. y may be one of the inputs.
#pragma once

#include "kernels/cuda/elements.h"
#include "kernels/cuda/launch.h"

namespace graft::kernels::cuda {

namespace detail {

// One thread per 16 bytes. `packs`: all pointers are aligned for loads of 16 bytes.
template <class F, class T, class... X>
__global__ void map_packs(int64_t n, bool packs, F f, T* y, const X*... x) {
  int64_t i = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * kPack<T>;
  if (packs && i + kPack<T> <= n) {
    Pack<T> out;
    [&](const auto&... in) {
      for (int k = 0; k < kPack<T>; ++k) out.values[k] = from_float<T>(f(to_float(in.values[k])...));
    }(*reinterpret_cast<const Pack<X>*>(x + i)...);
    *reinterpret_cast<Pack<T>*>(y + i) = out;
    return;
  }
  for (int k = 0; k < kPack<T> && i + k < n; ++k) y[i + k] = from_float<T>(f(to_float(x[i + k])...));
}

}  // namespace detail

template <class F, class... Tensors>
void map_elements(const char* op, F f, const Tensor& y, const Tensors&... x) {
  with_storage(y.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    bool packs = (is_aligned(y.raw()) && ... && is_aligned(x.raw()));
    launch(op, detail::map_packs<F, T, std::conditional_t<true, T, Tensors>...>,
           one_thread_per((y.numel() + kPack<T> - 1) / kPack<T>), y.numel(), packs, f, data<T>(y),
           data<T>(x)...);
  });
}

}  // namespace graft::kernels::cuda
