#include "kernels/optimizer.h"

#include <cmath>

#include "core/parallel.h"
#include "kernels/optimizer_scalar.h"
#include "kernels/cpu/level_begin.h"

namespace {

constexpr int64_t kElementsPerPiece = 16384;

template <scalar::Momentum how, class T>
void sgd(const scalar::Sgd<T>& formula, const SgdParameter& p) {
  T* __restrict value = p.value.data<T>();
  const T* __restrict grad = p.grad.data<T>();
  T* __restrict velocity = how == scalar::Momentum::none ? nullptr : p.velocity.data<T>();
  parallel_for(p.value.numel(), kElementsPerPiece, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if constexpr (how == scalar::Momentum::none) {
        T unused = 0;
        formula.template step<how>(value[i], grad[i], unused);
      } else {
        formula.template step<how>(value[i], grad[i], velocity[i]);
      }
    }
  });
}

template <class T>
void sgd(const SgdStep& s, const SgdParameter& p) {
  scalar::Sgd<T> formula{static_cast<T>(s.lr), static_cast<T>(s.momentum), static_cast<T>(s.weight_decay)};
  if (!p.velocity.defined()) {
    sgd<scalar::Momentum::none>(formula, p);
  } else if (s.nesterov) {
    sgd<scalar::Momentum::nesterov>(formula, p);
  } else {
    sgd<scalar::Momentum::plain>(formula, p);
  }
}

template <class T>
void adam(const AdamStep& s, const AdamParameter& p) {
  T* __restrict value = p.value.data<T>();
  const T* __restrict grad = p.grad.data<T>();
  T* __restrict mean = p.mean.data<T>(), * __restrict square = p.square.data<T>();
  double t = static_cast<double>(p.t);
  T rate = static_cast<T>(s.lr / (1 - std::pow(s.beta1, t)));
  T square_scale = static_cast<T>(1 / std::sqrt(1 - std::pow(s.beta2, t)));
  auto formula = scalar::Adam<T>::of(s);
  parallel_for(p.value.numel(), kElementsPerPiece, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      formula.step(value[i], grad[i], mean[i], square[i], rate, square_scale);
    }
  });
}

}  // namespace

void sgd_step(const SgdStep& s) {
  for (const SgdParameter& p : s.parameters) {
    with_real(p.value.dtype(), "sgd_step", [&](auto zero) { sgd<decltype(zero)>(s, p); });
  }
}

void adam_step(const AdamStep& s) {
  for (const AdamParameter& p : s.parameters) {
    with_real(p.value.dtype(), "adam_step", [&](auto zero) { adam<decltype(zero)>(s, p); });
  }
}

#include "kernels/cpu/level_end.h"
