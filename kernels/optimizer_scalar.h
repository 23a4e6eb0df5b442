// The optimizers' formulas for one element; kernels/optimizer.h says where they are from. T is float or
// double.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/hd.h"

namespace graft::kernels::scalar {

enum class Momentum : uint8_t { none, plain, nesterov };

template <class T>
struct Sgd {
  T lr, momentum, weight_decay;

  // velocity is not touched where there is no momentum.
  template <Momentum how>
  GRAFT_HD void step(T& value, T grad, T& velocity) const {
    T g = grad + weight_decay * value;
    if constexpr (how == Momentum::none) {
      value -= lr * g;
    } else {
      velocity = momentum * velocity + g;
      value -= lr * (how == Momentum::nesterov ? g + momentum * velocity : velocity);
    }
  }
};

template <class T>
struct AdamW {
  T beta1, rest1, beta2, rest2;  // rest = 1 - beta, rounded once
  T keep;                        // 1 - lr * weight_decay
  T eps;

  // rate is lr / (1 - beta1^t), square_scale 1 / sqrt(1 - beta2^t).
  GRAFT_HD void step(T& value, T grad, T& mean, T& square, T rate, T square_scale) const {
    mean = beta1 * mean + rest1 * grad;
    square = beta2 * square + rest2 * grad * grad;
    value = keep * value - rate * mean / (std::sqrt(square) * square_scale + eps);
  }
};

}  // namespace graft::kernels::scalar
