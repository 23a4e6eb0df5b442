// One optimizer step of many parameters, in place: on a CUDA device one launch for all of a group. A
// parameter's tensors are contiguous and of one shape and type, f32 or f64 on the CPU. On a CUDA device
// values and gradients are f32 or bf16, and what the optimizer keeps is f32.
#pragma once

#include <vector>

#include "kernels/dispatch.h"

namespace graft::kernels {

// Stochastic gradient descent as torch.optim.SGD (dampening 0):
//   g = grad + weight_decay * value
//   velocity = momentum * velocity + g           (starts at 0, so the first velocity is g)
//   value -= lr * (nesterov ? g + momentum * velocity : velocity)
struct SgdParameter {
  Tensor value;
  Tensor grad;
  Tensor velocity;  // undefined where momentum is 0: g is taken as it is
  Tensor master =
      {};  // f32, of a bf16 value: what is stepped; value is master, rounded. Undefined: value itself
};
struct SgdStep {
  std::vector<SgdParameter> parameters;  // at least one
  double lr = 0;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;

  const Tensor& lead() const { return parameters.front().value; }
  template <class F>
  void for_each_tensor(F f) const {
    for (const SgdParameter& p : parameters) {
      for (const Tensor* t : {&p.value, &p.grad, &p.velocity, &p.master}) f(*t);
    }
  }
};
GRAFT_KERNEL(sgd_step, (const SgdStep& s), (s))

// Adam (Kingma and Ba, 2015) as torch.optim.Adam, or with decoupled weight decay (Loshchilov and Hutter,
// 2019) as torch.optim.AdamW; t counts from 1:
//   decoupled: value *= 1 - lr * weight_decay;  else: grad += weight_decay * value
//   mean   = beta1 * mean   + (1 - beta1) * grad
//   square = beta2 * square + (1 - beta2) * grad^2
//   value -= lr / (1 - beta1^t) * mean / (sqrt(square / (1 - beta2^t)) + eps)
struct AdamParameter {
  Tensor value;
  Tensor grad;
  Tensor mean;  // both start at 0
  Tensor square;
  int64_t t = 1;
  Tensor master = {};  // as in SgdParameter

  template <class F>
  void for_each_tensor(F f) const {
    for (const Tensor* tensor : {&value, &grad, &mean, &square, &master}) f(*tensor);
  }
};
struct AdamStep {
  std::vector<AdamParameter> parameters;  // at least one
  double lr = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;

  const Tensor& lead() const { return parameters.front().value; }
  template <class F>
  void for_each_tensor(F f) const {
    for (const AdamParameter& p : parameters) p.for_each_tensor(f);
  }
};
GRAFT_KERNEL(adam_step, (const AdamStep& s), (s))

}  // namespace graft::kernels
