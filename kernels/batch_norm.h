// Batch normalisation, step by step. x, y and their gradients: [..., C] contiguous; everything named by
// channel: [C]. All of one type, f32 or f64 on the CPU; on CUDA x, y and their gradients are f32 or bf16, and
// what is named by channel f32. The caller allocates. Sums over rows are kept in double over fixed pieces of
// rows that are combined in their order: accurate for any number of rows and the same for any number of
// threads.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// Mean and biased variance of each channel. At least one row.
GRAFT_KERNEL(channel_statistics, (const Tensor& x, const Tensor& mean, const Tensor& variance),
             (x, mean, variance))
// running += momentum * (batch - running), with the unbiased variance: biased * rows / (rows - 1).
GRAFT_KERNEL(update_running_statistics,
             (const Tensor& mean, const Tensor& variance, int64_t rows, double momentum,
              const Tensor& running_mean, const Tensor& running_variance),
             (mean, variance, rows, momentum, running_mean, running_variance))
// 1 / sqrt(variance + eps)
GRAFT_KERNEL(inverse_deviation, (const Tensor& variance, double eps, const Tensor& inverse),
             (variance, eps, inverse))
// With constant statistics the whole step is y = scale * x + shift: scale = weight * inverse, shift = bias -
// mean * scale.
GRAFT_KERNEL(batch_norm_affine,
             (const Tensor& mean, const Tensor& inverse, const Tensor& weight, const Tensor& bias,
              const Tensor& scale, const Tensor& shift),
             (mean, inverse, weight, bias, scale, shift))
// y = (x - mean) * inverse * weight + bias
GRAFT_KERNEL(batch_norm,
             (const Tensor& x, const Tensor& mean, const Tensor& inverse, const Tensor& weight,
              const Tensor& bias, const Tensor& y),
             (x, mean, inverse, weight, bias, y))
// dweight = sum(dy * (x - mean)) * inverse, dbias = sum(dy): over the rows.
GRAFT_KERNEL(batch_norm_grad_parameters,
             (const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse,
              const Tensor& dweight, const Tensor& dbias),
             (x, dy, mean, inverse, dweight, dbias))
// Where mean and deviation are the batch's own and move with x:
// dx = weight * inverse * (dy - dbias / rows - (x - mean) * inverse * dweight / rows)
GRAFT_KERNEL(batch_norm_grad_input,
             (const Tensor& x, const Tensor& dy, const Tensor& mean, const Tensor& inverse,
              const Tensor& weight, const Tensor& dweight, const Tensor& dbias, const Tensor& dx),
             (x, dy, mean, inverse, weight, dweight, dbias, dx))
// Where they are constants: dx = weight * inverse * dy.
GRAFT_KERNEL(batch_norm_grad_input_frozen,
             (const Tensor& dy, const Tensor& inverse, const Tensor& weight, const Tensor& dx),
             (dy, inverse, weight, dx))

}  // namespace graft::kernels
