// Elementwise families of one tensor, contiguous; the caller allocates y (dx), which may be x
// (dy).
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// max(x, 0). NaN stays NaN.
GRAFT_KERNEL(relu, (const Tensor& x, const Tensor& y), (x, y))
// dy where y > 0, else 0: the output says all that the gradient needs.
GRAFT_KERNEL(relu_grad, (const Tensor& y, const Tensor& dy, const Tensor& dx), (y, dy, dx))
// min(max(x, 0), 6). NaN stays NaN.
GRAFT_KERNEL(relu6, (const Tensor& x, const Tensor& y), (x, y))
// dy where 0 < y < 6, else 0.
GRAFT_KERNEL(relu6_grad, (const Tensor& y, const Tensor& dy, const Tensor& dx), (y, dy, dx))
// factor * x.
GRAFT_KERNEL(scale, (const Tensor& x, double factor, const Tensor& y), (x, factor, y))

}  // namespace graft::kernels
