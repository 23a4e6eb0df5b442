#include "kernels/dropout.h"

#include "kernels/cuda/elements.h"
#include "kernels/cuda/launch.h"
#include "kernels/dropout_scalar.h"

namespace graft::kernels::cuda {
namespace {

// One thread per 4 elements, which share a block of random words. `packs`: x and y are aligned for loads
// of 4.
template <class T>
__global__ void drop(const T* x, T* y, int64_t n, bool packs, uint64_t threshold, float factor,
                     uint64_t seed) {
  int64_t block = int64_t{blockIdx.x} * blockDim.x + threadIdx.x, i = block * 4;
  if (i >= n) return;
  auto words = scalar::dropout_words(seed, block);
  auto dropped = [&](T v, size_t k) {
    return from_float<T>(scalar::drop(to_float(v), words[k], threshold, factor));
  };
  if (packs && i + 4 <= n) {
    auto pack = *reinterpret_cast<const Pack<T, 4>*>(x + i);
    for (int k = 0; k < 4; ++k) pack.values[k] = dropped(pack.values[k], static_cast<size_t>(k));
    *reinterpret_cast<Pack<T, 4>*>(y + i) = pack;
    return;
  }
  for (int k = 0; k < 4; ++k) {
    if (i + k < n) y[i + k] = dropped(x[i + k], static_cast<size_t>(k));
  }
}

}  // namespace

void dropout(const Tensor& x, double p, uint64_t seed, const Tensor& y) {
  with_storage(x.dtype(), "dropout", [&](auto zero) {
    using T = decltype(zero);
    bool packs = is_aligned(x.raw(), 4 * sizeof(T)) && is_aligned(y.raw(), 4 * sizeof(T));
    launch("dropout", drop<T>, one_thread_per((x.numel() + 3) / 4), data<T>(x), data<T>(y), x.numel(), packs,
           scalar::dropout_threshold(p), scalar::dropout_factor<float>(p), seed);
  });
}

}  // namespace graft::kernels::cuda
