// Sums of all elements. Contiguous. Accumulated in double over fixed pieces which are added in
// their order: the result does not depend on the thread count.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// y = factor * (sum of x); y has one element of x's type.
GRAFT_KERNEL(sum, (const Tensor& x, double factor, const Tensor& y), (x, factor, y))
// The gradient of sum: every element of dx is factor * dy, dy having one element.
GRAFT_KERNEL(sum_grad, (const Tensor& dy, double factor, const Tensor& dx), (dy, factor, dx))
// y = sum of squares of x; y has one element, f64 whatever x is.
GRAFT_KERNEL(sum_squares, (const Tensor& x, const Tensor& y), (x, y))

}  // namespace graft::kernels
