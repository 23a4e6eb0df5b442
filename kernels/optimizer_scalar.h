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
struct Adam {
  T beta1, rest1, beta2, rest2;  // rest = 1 - beta, rounded once
  T keep;                        // 1 - lr * weight_decay where the decay is decoupled, else 1
  T pull;                        // weight_decay where it is not, else 0
  T eps;

  template <class Step>
  static Adam of(const Step& s) {
    return {static_cast<T>(s.beta1),
            static_cast<T>(1 - s.beta1),
            static_cast<T>(s.beta2),
            static_cast<T>(1 - s.beta2),
            static_cast<T>(s.decoupled ? 1 - s.lr * s.weight_decay : 1),
            static_cast<T>(s.decoupled ? 0 : s.weight_decay),
            static_cast<T>(s.eps)};
  }

  // rate is lr / (1 - beta1^t), square_scale 1 / sqrt(1 - beta2^t).
  GRAFT_HD void step(T& value, T grad, T& mean, T& square, T rate, T square_scale) const {
    grad += pull * value;
    mean = beta1 * mean + rest1 * grad;
    square = beta2 * square + rest2 * grad * grad;
    value = keep * value - rate * mean / (std::sqrt(square) * square_scale + eps);
  }
};

template <class T>
struct Lamb {
  T lr, beta1, rest1, beta2, rest2, weight_decay, eps;

  template <class Step>
  static Lamb of(const Step& s) {
    return {static_cast<T>(s.lr),    static_cast<T>(s.beta1),     static_cast<T>(1 - s.beta1),
            static_cast<T>(s.beta2), static_cast<T>(1 - s.beta2), static_cast<T>(s.weight_decay),
            static_cast<T>(s.eps)};
  }

  GRAFT_HD void move(T grad, T& mean, T& square) const {
    mean = beta1 * mean + rest1 * grad;
    square = beta2 * square + rest2 * grad * grad;
  }
  // mean_scale is 1 / (1 - beta1^t), square_scale 1 / sqrt(1 - beta2^t).
  GRAFT_HD T update(T value, T mean, T square, T mean_scale, T square_scale) const {
    return mean * mean_scale / (std::sqrt(square) * square_scale + eps) + weight_decay * value;
  }
  // From the squares of the parameter's value and update.
  GRAFT_HD T rate(double of_value, double of_update) const {
    if (!(of_value > 0) || !(of_update > 0)) return lr;
    return static_cast<T>(static_cast<double>(lr) * std::sqrt(of_value / of_update));
  }
};

}  // namespace graft::kernels::scalar
