// A convolution with filters of 1 x 1, stride 1, no padding and one group is a product of matrices: x as
// [windows, C] and the weight as [O, C]. There is nothing to gather, and so every tier of gemm_tiers.h can
// take it. Sizes and types as in kernels/conv2d.h.
#pragma once

#include "kernels/conv2d.h"

namespace graft::kernels::cuda {

inline bool is_pointwise(const Shape& weight, const ConvWindow& window) {
  return weight[1] == 1 && weight[2] == 1 && window.stride == 1 && window.padding == 0 && window.groups == 1;
}

void pointwise(const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue, const Tensor& y);
void pointwise_grad_input(const Tensor& dy, const Tensor& weight, const Tensor& dx);
void pointwise_grad_weight(const Tensor& x, const Tensor& dy, const Tensor& dweight);

}  // namespace graft::kernels::cuda
