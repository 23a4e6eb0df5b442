// y = x / (1 - p) where element i is kept, else 0. Element i is kept where the random word i mod 4 of
// philox(seed, i / 4, "dropout") is at least p * 2^32: a function of (seed, i) alone, so the backward is the
// same call on dy. Contiguous; y may be x. 0 <= p <= 1.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

GRAFT_KERNEL(dropout, (const Tensor& x, double p, uint64_t seed, const Tensor& y), (x, p, seed, y))

}  // namespace graft::kernels
