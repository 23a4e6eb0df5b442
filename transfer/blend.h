// Weighted sums of tensors, in place and on any device: averages of weights, sums of gradients.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace graft::transfer {

// y[i] = a y[i] + b x[i], rounded after each product and after the sum. Contiguous floating-point tensors,
// pairwise of the same shape and type.
void blend(const std::vector<Tensor>& y, double a, const std::vector<Tensor>& x, double b);

}  // namespace graft::transfer
