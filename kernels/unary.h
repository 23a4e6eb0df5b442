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
// The smooth ones; kernels/unary_scalar.h has the formulas. Their gradients look at x.
GRAFT_KERNEL(gelu, (const Tensor& x, const Tensor& y), (x, y))
GRAFT_KERNEL(gelu_grad, (const Tensor& x, const Tensor& dy, const Tensor& dx), (x, dy, dx))
GRAFT_KERNEL(gelu_tanh, (const Tensor& x, const Tensor& y), (x, y))
GRAFT_KERNEL(gelu_tanh_grad, (const Tensor& x, const Tensor& dy, const Tensor& dx), (x, dy, dx))
GRAFT_KERNEL(quick_gelu, (const Tensor& x, const Tensor& y), (x, y))
GRAFT_KERNEL(quick_gelu_grad, (const Tensor& x, const Tensor& dy, const Tensor& dx), (x, dy, dx))
GRAFT_KERNEL(silu, (const Tensor& x, const Tensor& y), (x, y))
GRAFT_KERNEL(silu_grad, (const Tensor& x, const Tensor& dy, const Tensor& dx), (x, dy, dx))
// 1 / (1 + exp(-x)), and its gradient from the output: y (1 - y) dy.
GRAFT_KERNEL(sigmoid, (const Tensor& x, const Tensor& y), (x, y))
GRAFT_KERNEL(sigmoid_grad, (const Tensor& y, const Tensor& dy, const Tensor& dx), (y, dy, dx))
// The hyperbolic tangent, and its gradient from the output: (1 - y^2) dy.
GRAFT_KERNEL(tanh, (const Tensor& x, const Tensor& y), (x, y))
GRAFT_KERNEL(tanh_grad, (const Tensor& y, const Tensor& dy, const Tensor& dx), (y, dy, dx))
// The exponential, and its gradient from the output: y dy.
GRAFT_KERNEL(exp, (const Tensor& x, const Tensor& y), (x, y))
GRAFT_KERNEL(exp_grad, (const Tensor& y, const Tensor& dy, const Tensor& dx), (y, dy, dx))
// factor * x.
GRAFT_KERNEL(scale, (const Tensor& x, double factor, const Tensor& y), (x, factor, y))

}  // namespace graft::kernels
