// Elementwise families of two tensors of the same shape and type, contiguous; the caller allocates
// y, which may be a or b.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

GRAFT_KERNEL(add, (const Tensor& a, const Tensor& b, const Tensor& y), (a, b, y))
GRAFT_KERNEL(multiply, (const Tensor& a, const Tensor& b, const Tensor& y), (a, b, y))
// a times the only element of s.
GRAFT_KERNEL(multiply_scalar, (const Tensor& a, const Tensor& s, const Tensor& y), (a, s, y))

}  // namespace graft::kernels
