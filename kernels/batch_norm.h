// Batch normalisation, step by step. x, y and their gradients: [..., C] contiguous; everything named by
// channel: [C]. All of one type, f32 or f64 on the CPU; on CUDA x, y and their gradients are f32 or bf16, and
// what is named by channel f32. The caller allocates. Sums over rows are kept in double over fixed pieces of
// rows that are combined in their order: accurate for any number of rows and the same for any number of
// threads.
#pragma once

#include "kernels/activation.h"
#include "kernels/dispatch.h"

namespace graft::kernels {

// What follows the step: y = act(step + residual).
struct BatchNormAfter {
  Tensor residual = {};  // like y; undefined: 0
  Activation act = Activation::none;

  template <class F>
  void for_each_tensor(F f) const {
    f(residual);
  }
};
// The gradient that comes back: `dy` as far as act, whose output y was, lets it pass. y is undefined where
// act is none.
struct BatchNormGradient {
  Tensor dy;
  Tensor y = {};
  Activation act = Activation::none;
  Tensor passed = {};  // where defined (act is not none), receives what passed: the residual's gradient

  const Tensor& lead() const { return dy; }
  template <class F>
  void for_each_tensor(F f) const {
    for (const Tensor* t : {&dy, &y, &passed}) f(*t);
  }
};

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
// y = act((x - mean) * inverse * weight + bias + residual)
GRAFT_KERNEL(batch_norm,
             (const Tensor& x, const Tensor& mean, const Tensor& inverse, const Tensor& weight,
              const Tensor& bias, const BatchNormAfter& after, const Tensor& y),
             (x, mean, inverse, weight, bias, after, y))
// With dy for what of the gradient passed: dweight = sum(dy * (x - mean)) * inverse, dbias = sum(dy): over
// the rows.
GRAFT_KERNEL(batch_norm_grad_parameters,
             (const Tensor& x, const BatchNormGradient& g, const Tensor& mean, const Tensor& inverse,
              const Tensor& dweight, const Tensor& dbias),
             (x, g, mean, inverse, dweight, dbias))
// Where mean and deviation are the batch's own and move with x (g.passed is not written):
// dx = weight * inverse * (dy - dbias / rows - (x - mean) * inverse * dweight / rows)
GRAFT_KERNEL(batch_norm_grad_input,
             (const Tensor& x, const BatchNormGradient& g, const Tensor& mean, const Tensor& inverse,
              const Tensor& weight, const Tensor& dweight, const Tensor& dbias, const Tensor& dx),
             (x, g, mean, inverse, weight, dweight, dbias, dx))
// Where they are constants: dx = weight * inverse * dy.
GRAFT_KERNEL(batch_norm_grad_input_frozen,
             (const BatchNormGradient& g, const Tensor& inverse, const Tensor& weight, const Tensor& dx),
             (g, inverse, weight, dx))

}  // namespace graft::kernels
