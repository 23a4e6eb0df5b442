#include "kernels/lamb.h"

#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "kernels/optimizer_scalar.h"
#include "kernels/cpu/level_begin.h"

namespace {

constexpr int64_t kElementsPerPiece = 16384;

template <class T>
void lamb(const LambStep& s, const AdamParameter& p) {
  T* __restrict value = p.value.data<T>();
  const T* __restrict grad = p.grad.data<T>();
  T* __restrict mean = p.mean.data<T>(), * __restrict square = p.square.data<T>();
  double t = static_cast<double>(p.t);
  T mean_scale = static_cast<T>(1 / (1 - std::pow(s.beta1, t)));
  T square_scale = static_cast<T>(1 / std::sqrt(1 - std::pow(s.beta2, t)));
  auto formula = scalar::Lamb<T>::of(s);
  int64_t n = p.value.numel(), pieces = (n + kElementsPerPiece - 1) / kElementsPerPiece;
  std::vector<double> of_values(static_cast<size_t>(pieces)), of_updates(static_cast<size_t>(pieces));
  parallel_for(n, kElementsPerPiece, [&](int64_t begin, int64_t end) {
    double of_value = 0, of_update = 0;
    for (int64_t i = begin; i < end; ++i) {
      formula.move(grad[i], mean[i], square[i]);
      double v = value[i], u = formula.update(value[i], mean[i], square[i], mean_scale, square_scale);
      of_value += v * v;
      of_update += u * u;
    }
    of_values[static_cast<size_t>(begin / kElementsPerPiece)] = of_value;
    of_updates[static_cast<size_t>(begin / kElementsPerPiece)] = of_update;
  });
  double of_value = 0, of_update = 0;
  for (double sum : of_values) of_value += sum;
  for (double sum : of_updates) of_update += sum;
  T rate = formula.rate(of_value, of_update);
  parallel_for(n, kElementsPerPiece, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      value[i] -= rate * formula.update(value[i], mean[i], square[i], mean_scale, square_scale);
    }
  });
}

}  // namespace

void lamb_step(const LambStep& s) {
  for (const AdamParameter& p : s.parameters) {
    with_real(p.value.dtype(), "lamb_step", [&](auto zero) { lamb<decltype(zero)>(s, p); });
  }
}

#include "kernels/cpu/level_end.h"
