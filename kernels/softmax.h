// Softmax over the last axis. Contiguous; the caller allocates y. Each row is shifted by its maximum; sums
// are in the tensor's type, of bf16 in float. A row that is entirely -inf gives NaN, as the formula does.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

GRAFT_KERNEL(softmax, (const Tensor& x, const Tensor& y), (x, y))
// dx = y * (dy - sum(y * dy)), row by row.
GRAFT_KERNEL(softmax_grad, (const Tensor& y, const Tensor& dy, const Tensor& dx), (y, dy, dx))

}  // namespace graft::kernels
