// Division by a number that is the same for a whole launch: a multiplication and a shift instead of the two
// dozen instructions of a GPU's integer division.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "core/error.h"
#include "kernels/cuda/cuda.h"

namespace graft::kernels::cuda {

// Sizes within one tensor as kernels count them.
inline int to_int(int64_t n) {
  GRAFT_CHECK(n >= 0 && n <= std::numeric_limits<int>::max() / 2, "cuda: a size of ", n,
              "; CUDA kernels count rows, columns and pixels in 31 bits");
  return static_cast<int>(n);
}

// Exact for dividends from 0 to 2^31 - 1: with p = 31 + ceil(log2 d), the quotient is n * ceil(2^p / d) >> p
// (Granlund and Montgomery, "Division by invariant integers using multiplication", 1994, theorem 4.2).
class Divisor {
 public:
  explicit Divisor(int64_t divisor) : divisor_(to_int(divisor)) {
    GRAFT_CHECK(divisor >= 1, "cuda: division by ", divisor);
    if (divisor_ == 1) return;
    shift_ = std::bit_width(static_cast<unsigned>(divisor_ - 1)) - 1;
    uint64_t power = uint64_t{1} << (shift_ + 32), d = static_cast<uint64_t>(divisor_);
    multiplier_ = static_cast<unsigned>((power + d - 1) / d);
  }

  __device__ int quotient(int n) const {
    return divisor_ == 1 ? n : static_cast<int>(__umulhi(static_cast<unsigned>(n), multiplier_) >> shift_);
  }
  __device__ int remainder(int n, int quotient_of_n) const { return n - quotient_of_n * divisor_; }
  __device__ int value() const { return divisor_; }

 private:
  int divisor_;
  unsigned multiplier_ = 0;
  int shift_ = 0;
};

}  // namespace graft::kernels::cuda
