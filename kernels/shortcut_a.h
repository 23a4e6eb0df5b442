// Every stride-th pixel, with zero channels around. x [N, H, W, C], y [N, ceil(H / stride), ceil(W / stride),
// C2] with C2 >= C; x's channels start at `before` in y. Contiguous, f32 or f64 on the CPU, f32 or bf16 on
// CUDA; the caller allocates.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

GRAFT_KERNEL(shortcut_a, (const Tensor& x, int64_t stride, int64_t before, const Tensor& y),
             (x, stride, before, y))
// dx is dy at the pixels that were taken, 0 at the others.
GRAFT_KERNEL(shortcut_a_grad, (const Tensor& dy, int64_t stride, int64_t before, const Tensor& dx),
             (dy, stride, before, dx))

}  // namespace graft::kernels
