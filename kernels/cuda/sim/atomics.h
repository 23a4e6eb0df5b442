// Atomics of CUDA C++. They order nothing else (relaxed), as on the GPU.
#pragma once

#include <cstdint>

#include "kernels/cuda/sim/half_types.h"

#define GRAFT_SIM_ATOMIC(name, T) T name(T* p, T value);
#define GRAFT_SIM_ATOMICS(T)     \
  GRAFT_SIM_ATOMIC(atomicAdd, T) \
  GRAFT_SIM_ATOMIC(atomicMax, T) GRAFT_SIM_ATOMIC(atomicMin, T) GRAFT_SIM_ATOMIC(atomicExch, T)
#define GRAFT_SIM_INTEGER_ATOMICS(T) \
  GRAFT_SIM_ATOMICS(T)               \
  GRAFT_SIM_ATOMIC(atomicAnd, T)     \
  GRAFT_SIM_ATOMIC(atomicOr, T)      \
  GRAFT_SIM_ATOMIC(atomicXor, T) GRAFT_SIM_ATOMIC(atomicSub, T) T atomicCAS(T* p, T expected, T value);

GRAFT_SIM_INTEGER_ATOMICS(int)
GRAFT_SIM_INTEGER_ATOMICS(unsigned)
GRAFT_SIM_INTEGER_ATOMICS(unsigned long long)
GRAFT_SIM_ATOMIC(atomicAdd, float)
GRAFT_SIM_ATOMIC(atomicExch, float)
GRAFT_SIM_ATOMIC(atomicAdd, double)

#undef GRAFT_SIM_ATOMIC
#undef GRAFT_SIM_ATOMICS
#undef GRAFT_SIM_INTEGER_ATOMICS

// The old value; `bound` and 0 are where the counter wraps.
unsigned atomicInc(unsigned* p, unsigned bound);
