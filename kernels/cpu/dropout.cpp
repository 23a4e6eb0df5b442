#include "kernels/dropout.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/dropout_scalar.h"
#include "kernels/cpu/level_begin.h"

namespace {

template <class T>
void drop(const T* x, uint64_t threshold, T factor, uint64_t seed, int64_t begin, int64_t end, T* y) {
  for (int64_t i = begin; i < end; i += 4) {
    auto words = scalar::dropout_words(seed, i / 4);
    for (int64_t j = i; j < std::min(i + 4, end); ++j) {
      y[j] = scalar::drop(x[j], words[static_cast<size_t>(j - i)], threshold, factor);
    }
  }
}

}  // namespace

void dropout(const Tensor& x, double p, uint64_t seed, const Tensor& y) {
  uint64_t threshold = scalar::dropout_threshold(p);
  with_real(x.dtype(), "dropout", [&](auto zero) {
    using T = decltype(zero);
    T factor = scalar::dropout_factor<T>(p);
    const T* in = x.data<T>();
    T* out = y.data<T>();
    // Pieces start at a multiple of 4, where a new block of random words does.
    parallel_for(x.numel(), 8192,
                 [&](int64_t begin, int64_t end) { drop(in, threshold, factor, seed, begin, end, out); });
  });
}

#include "kernels/cpu/level_end.h"
