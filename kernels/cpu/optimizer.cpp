#include "kernels/optimizer.h"

#include <cmath>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

namespace {

constexpr int64_t kElementsPerPiece = 16384;

template <class T>
void sgd(const SgdStep& s) {
  T* __restrict value = s.value.data<T>();
  const T* __restrict grad = s.grad.data<T>();
  T* __restrict velocity = s.velocity.defined() ? s.velocity.data<T>() : nullptr;
  T lr = static_cast<T>(s.lr), momentum = static_cast<T>(s.momentum), decay = static_cast<T>(s.weight_decay);
  parallel_for(s.value.numel(), kElementsPerPiece, [=, nesterov = s.nesterov](int64_t begin, int64_t end) {
    if (!velocity) {
      for (int64_t i = begin; i < end; ++i) value[i] -= lr * (grad[i] + decay * value[i]);
    } else if (nesterov) {
      for (int64_t i = begin; i < end; ++i) {
        T g = grad[i] + decay * value[i];
        velocity[i] = momentum * velocity[i] + g;
        value[i] -= lr * (g + momentum * velocity[i]);
      }
    } else {
      for (int64_t i = begin; i < end; ++i) {
        velocity[i] = momentum * velocity[i] + (grad[i] + decay * value[i]);
        value[i] -= lr * velocity[i];
      }
    }
  });
}

template <class T>
void adamw(const AdamWStep& s) {
  T* __restrict value = s.value.data<T>();
  const T* __restrict grad = s.grad.data<T>();
  T* __restrict mean = s.mean.data<T>(), * __restrict square = s.square.data<T>();
  double t = static_cast<double>(s.t);
  T rate = static_cast<T>(s.lr / (1 - std::pow(s.beta1, t)));
  T square_scale = static_cast<T>(1 / std::sqrt(1 - std::pow(s.beta2, t)));
  T beta1 = static_cast<T>(s.beta1), rest1 = static_cast<T>(1 - s.beta1);
  T beta2 = static_cast<T>(s.beta2), rest2 = static_cast<T>(1 - s.beta2);
  T keep = static_cast<T>(1 - s.lr * s.weight_decay), eps = static_cast<T>(s.eps);
  parallel_for(s.value.numel(), kElementsPerPiece, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T g = grad[i];
      mean[i] = beta1 * mean[i] + rest1 * g;
      square[i] = beta2 * square[i] + rest2 * g * g;
      value[i] = keep * value[i] - rate * mean[i] / (std::sqrt(square[i]) * square_scale + eps);
    }
  });
}

}  // namespace

void sgd_step(const SgdStep& s) {
  with_real(s.value.dtype(), "sgd_step", [&](auto zero) { sgd<decltype(zero)>(s); });
}

void adamw_step(const AdamWStep& s) {
  with_real(s.value.dtype(), "adamw_step", [&](auto zero) { adamw<decltype(zero)>(s); });
}

#include "kernels/cpu/level_end.h"
