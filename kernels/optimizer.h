// One optimizer step of one parameter, in place. All tensors of one shape and type, contiguous f32 or f64.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// Stochastic gradient descent as torch.optim.SGD (dampening 0):
//   g = grad + weight_decay * value
//   velocity = momentum * velocity + g           (starts at 0, so the first velocity is g)
//   value -= lr * (nesterov ? g + momentum * velocity : velocity)
struct SgdStep {
  Tensor value;
  Tensor grad;
  Tensor velocity;  // undefined: no momentum, g is taken as it is
  double lr = 0;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;

  const Tensor& lead() const { return value; }
};
GRAFT_KERNEL(sgd_step, (const SgdStep& s), (s))

// Adam with decoupled weight decay (Loshchilov and Hutter, 2019) as torch.optim.AdamW; t counts from 1:
//   value *= 1 - lr * weight_decay
//   mean   = beta1 * mean   + (1 - beta1) * grad
//   square = beta2 * square + (1 - beta2) * grad^2
//   value -= lr / (1 - beta1^t) * mean / (sqrt(square / (1 - beta2^t)) + eps)
struct AdamWStep {
  Tensor value;
  Tensor grad;
  Tensor mean;  // both start at 0
  Tensor square;
  double lr = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  int64_t t = 1;

  const Tensor& lead() const { return value; }
};
GRAFT_KERNEL(adamw_step, (const AdamWStep& s), (s))

}  // namespace graft::kernels
