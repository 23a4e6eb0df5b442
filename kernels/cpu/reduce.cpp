#include "kernels/reduce.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

namespace {

constexpr int64_t kElementsPerPiece = 32768;
constexpr int kSums = 32;  // independent sums, so that the additions need not wait for each other

// The sum of f(x[i]) over n elements.
template <class T, class F>
double piece_sum(const T* x, int64_t n, F f) {
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (int j = 0; j < kSums; ++j) sums[j] += f(static_cast<double>(x[i + j]));
  }
  for (int j = 0; i + j < n; ++j) sums[j] += f(static_cast<double>(x[i + j]));
  for (int half = kSums / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) sums[j] += sums[j + half];
  }
  return sums[0];
}

template <class T, class F>
double total(const Tensor& x, F f) {
  const T* p = x.data<T>();
  int64_t n = x.numel();
  std::vector<double> pieces(static_cast<size_t>((n + kElementsPerPiece - 1) / kElementsPerPiece));
  parallel_for(n, kElementsPerPiece, [&](int64_t begin, int64_t end) {
    pieces[static_cast<size_t>(begin / kElementsPerPiece)] = piece_sum(p + begin, end - begin, f);
  });
  double sum = 0;
  for (double piece : pieces) sum += piece;
  return sum;
}

}  // namespace

void sum(const Tensor& x, double factor, const Tensor& y) {
  with_real(x.dtype(), "sum", [&](auto zero) {
    using T = decltype(zero);
    *y.data<T>() = static_cast<T>(factor * total<T>(x, [](double v) { return v; }));
  });
}

void sum_grad(const Tensor& dy, double factor, const Tensor& dx) {
  with_real(dy.dtype(), "sum_grad", [&](auto zero) {
    using T = decltype(zero);
    T value = static_cast<T>(factor * static_cast<double>(*dy.data<T>()));
    T* out = dx.data<T>();
    parallel_for(dx.numel(), kElementsPerPiece,
                 [&](int64_t begin, int64_t end) { std::fill(out + begin, out + end, value); });
  });
}

void sum_squares(const Tensor& x, const Tensor& y) {
  with_real(x.dtype(), "sum_squares",
            [&](auto zero) { *y.data<double>() = total<decltype(zero)>(x, [](double v) { return v * v; }); });
}

#include "kernels/cpu/level_end.h"
