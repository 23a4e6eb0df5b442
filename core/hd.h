// GRAFT_HD marks a formula that both the CPU's and the CUDA kernels use.
#pragma once

#ifdef __CUDACC__
#define GRAFT_HD __host__ __device__ __forceinline__
#else
// Inlined always: the copy that runs in a vectorised loop must be compiled for that loop's instruction level.
#define GRAFT_HD [[gnu::always_inline]] inline
#endif
