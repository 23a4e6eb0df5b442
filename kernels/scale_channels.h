// Every channel of a picture times its own factor, as squeeze-and-excitation does. x, y [N, H, W, C], s [N,
// C], contiguous, f32 or f64 on the CPU, f32 or bf16 on CUDA; the caller allocates.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// y = x s. With dy for x it is also the gradient of x.
GRAFT_KERNEL(scale_channels, (const Tensor& x, const Tensor& s, const Tensor& y), (x, s, y))
// ds[n, c] = sum over the pixels of dy x. Sums in double, on CUDA of floats that were added eight at a time.
GRAFT_KERNEL(scale_channels_grad_scale, (const Tensor& x, const Tensor& dy, const Tensor& ds), (x, dy, ds))

}  // namespace graft::kernels
