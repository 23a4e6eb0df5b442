// Which elements dropout keeps, and what becomes of them: the same on every device.
#pragma once

#include <array>
#include <cstdint>

#include "core/hd.h"
#include "core/rng.h"

namespace graft::kernels::scalar {

inline constexpr uint64_t kDropoutStream = 0x64726f706f7574;  // "dropout": apart from other uses of the seed

// A random word of 32 bits is below this with probability p.
inline uint64_t dropout_threshold(double p) {
  return static_cast<uint64_t>(p * 0x1p32);
}

template <class T>
T dropout_factor(double p) {
  return p < 1 ? static_cast<T>(1 / (1 - p)) : T(0);
}

// The random words of elements 4 * block to 4 * block + 3.
GRAFT_HD std::array<uint32_t, 4> dropout_words(uint64_t seed, int64_t block) {
  return philox(seed, static_cast<uint64_t>(block), kDropoutStream);
}

template <class T>
GRAFT_HD T drop(T x, uint32_t word, uint64_t threshold, T factor) {
  return word >= threshold ? x * factor : T(0);
}

}  // namespace graft::kernels::scalar
