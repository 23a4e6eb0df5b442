// The mean over the pixels. x [N, H, W, C], y [N, C], contiguous, f32 or f64 on the CPU, f32 or bf16 on CUDA;
// the caller allocates. Sums in double, on CUDA of floats that were added eight at a time.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

GRAFT_KERNEL(global_avg_pool, (const Tensor& x, const Tensor& y), (x, y))
// dx = dy / (H * W) at every pixel.
GRAFT_KERNEL(global_avg_pool_grad, (const Tensor& dy, const Tensor& dx), (dy, dx))

}  // namespace graft::kernels
