#include "kernels/dropout.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/rng.h"
#include "kernels/cpu/level_begin.h"

namespace {

constexpr uint64_t kDropoutStream = 0x64726f706f7574;  // "dropout": apart from every other use of the seed

template <class T>
void drop(const T* x, uint64_t threshold, T factor, uint64_t seed, int64_t begin, int64_t end, T* y) {
  for (int64_t i = begin; i < end; i += 4) {
    auto words = philox(seed, static_cast<uint64_t>(i / 4), kDropoutStream);
    for (int64_t j = i; j < std::min(i + 4, end); ++j) {
      y[j] = words[static_cast<size_t>(j - i)] >= threshold ? x[j] * factor : T(0);
    }
  }
}

}  // namespace

void dropout(const Tensor& x, double p, uint64_t seed, const Tensor& y) {
  uint64_t threshold = static_cast<uint64_t>(p * 0x1p32);
  with_real(x.dtype(), "dropout", [&](auto zero) {
    using T = decltype(zero);
    T factor = p < 1 ? static_cast<T>(1 / (1 - p)) : T(0);
    const T* in = x.data<T>();
    T* out = y.data<T>();
    // Pieces start at a multiple of 4, where a new block of random words does.
    parallel_for(x.numel(), 8192,
                 [&](int64_t begin, int64_t end) { drop(in, threshold, factor, seed, begin, end, out); });
  });
}

#include "kernels/cpu/level_end.h"
