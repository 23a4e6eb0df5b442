// The names of CUDA C++ for the host compiler, so that a .cu file compiles unchanged into code that the
// simulator runs. Only what graft's kernels use: a new kernel may need a line here.
#pragma once

#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "kernels/cuda/sim/simulator.h"
#include "kernels/cuda/sim/types.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ [[gnu::noinline]]
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)

// Read once per thread in a fiber's life: calls without memory accesses, which nothing has to watch.
#define threadIdx (::graft::sim::thread_index())
#define blockIdx (::graft::sim::block_index())
#define blockDim (::graft::sim::block_size())
#define gridDim (::graft::sim::grid_size())
#define warpSize 32

#include "kernels/cuda/sim/atomics.h"
#include "kernels/cuda/sim/collectives.h"
#include "kernels/cuda/sim/half_types.h"
#include "kernels/cuda/sim/math.h"
