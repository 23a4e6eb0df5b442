// Normalisation by the root of the mean square over the last axis (Zhang and Sennrich, "Root mean square
// layer normalization", 2019), in T5's form: layer norm without mean and bias. Shapes, types and sums as in
// kernels/layer_norm.h.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// y = x * inverse * weight, inverse = 1 / sqrt(mean(x^2) + eps).
GRAFT_KERNEL(rms_norm,
             (const Tensor& x, const Tensor& weight, double eps, const Tensor& y, const Tensor& inverse),
             (x, weight, eps, y, inverse))
// With g = dy * weight and n = x * inverse: dx = inverse * (g - n * mean(g * n)).
GRAFT_KERNEL(rms_norm_grad_input,
             (const Tensor& x, const Tensor& dy, const Tensor& weight, const Tensor& inverse,
              const Tensor& dx),
             (x, dy, weight, inverse, dx))
// dweight = sum(dy * x * inverse): over the rows.
GRAFT_KERNEL(rms_norm_grad_weight,
             (const Tensor& x, const Tensor& dy, const Tensor& inverse, const Tensor& dweight),
             (x, dy, inverse, dweight))

}  // namespace graft::kernels
