// Layer normalisation over the last axis (Ba, Kiros and Hinton, "Layer normalization", 2016). x, y and their
// gradients: [rows..., C] contiguous; weight and bias: [C]; mean and inverse, of each row: [rows]. All of one
// type, f32 or f64 on the CPU; on CUDA x, y and their gradients are f32 or bf16, everything else f32. The
// caller allocates. Sums over a row are in double on the CPU and in float on CUDA; the sums over rows are in
// double, over fixed pieces of rows that are combined in their order.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// y = (x - mean) * inverse * weight + bias, inverse = 1 / sqrt(variance + eps) with the biased variance.
GRAFT_KERNEL(layer_norm,
             (const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Tensor& y,
              const Tensor& mean, const Tensor& inverse),
             (x, weight, bias, eps, y, mean, inverse))
// With g = dy * weight and n = (x - mean) * inverse: dx = inverse * (g - mean(g) - n * mean(g * n)).
GRAFT_KERNEL(layer_norm_grad_input,
             (const Tensor& x, const Tensor& dy, const Tensor& weight, const Tensor& mean,
              const Tensor& inverse, const Tensor& dx),
             (x, dy, weight, mean, inverse, dx))
// dweight = sum(dy * (x - mean) * inverse), dbias = sum(dy): over the rows.
GRAFT_KERNEL(layer_norm_grad_parameters,
             (const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse,
              const Tensor& dweight, const Tensor& dbias),
             (x, dy, mean, inverse, dweight, dbias))

}  // namespace graft::kernels
