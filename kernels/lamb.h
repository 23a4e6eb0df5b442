// One step of LAMB (You et al., "Large batch optimization for deep learning: training BERT in 76 minutes",
// 2020, algorithm 2 with phi the identity) of many parameters, in place. With Adam's mean and square, t
// counted from 1:
//   u = mean / (1 - beta1^t) / (sqrt(square / (1 - beta2^t)) + eps) + weight_decay * value
//   value -= lr * |value| / |u| * u         (Euclidean norms of the parameter; their ratio is 1 where one is
//   0)
// Tensors as in kernels/optimizer.h. On a CUDA device two launches, the first of which adds up the norms.
// Their sums are over fixed pieces that are added in their order.
#pragma once

#include "kernels/optimizer.h"

namespace graft::kernels {

struct LambStep {
  std::vector<AdamParameter> parameters;  // at least one
  double lr = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-6;
  double weight_decay = 0;

  const Tensor& lead() const { return parameters.front().value; }
  template <class F>
  void for_each_tensor(F f) const {
    for (const AdamParameter& p : parameters) p.for_each_tensor(f);
  }
};
GRAFT_KERNEL(lamb_step, (const LambStep& s), (s))

}  // namespace graft::kernels
