// Teams of threads that work on one row together: a warp or a whole block. A kernel written for a team has
// one formula for short rows and long ones. Sums are in an order that is a function of the team's size alone.
#pragma once

#include "kernels/cuda/launch.h"

namespace graft::kernels::cuda {

struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Max {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

// All 32 lanes call it and get the same value: each step joins lanes that are `apart`.
template <class T, class Op>
__device__ T warp_reduce(T value, Op op) {
  for (int apart = 16; apart > 0; apart /= 2) value = op(value, __shfl_xor_sync(0xFFFFFFFFu, value, apart));
  return value;
}

template <class T>
struct WarpResults {
  T of[32];
};

// All threads of a block of whole warps call it and get the same value.
template <class T, class Op>
__device__ T block_reduce(T value, Op op) {
  WarpResults<T>& results = shared<WarpResults<T>>();
  value = warp_reduce(value, op);
  __syncthreads();  // the last call's readers are done with results
  if (threadIdx.x % 32 == 0) results.of[threadIdx.x / 32] = value;
  __syncthreads();  // results are written
  value = results.of[0];
  for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) value = op(value, results.of[warp]);
  return value;
}

// A warp for each row.
struct WarpTeam {
  static constexpr int kSize = 32;
  static __device__ int64_t row() { return (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32; }
  static __device__ int rank() { return static_cast<int>(threadIdx.x % 32); }
  template <class T, class Op>
  static __device__ T reduce(T value, Op op) {
    return warp_reduce(value, op);
  }
  static Work work(int64_t rows) { return one_thread_per(rows * kSize); }
};

// A block for each row.
struct BlockTeam {
  static constexpr int kSize = 256;
  static __device__ int64_t row() { return blockIdx.x; }
  static __device__ int rank() { return static_cast<int>(threadIdx.x); }
  template <class T, class Op>
  static __device__ T reduce(T value, Op op) {
    return block_reduce(value, op);
  }
  static Work work(int64_t rows) { return one_block_per(rows, kSize); }
};

// f(WarpTeam{}) or f(BlockTeam{}): a warp has rows of up to 1024 columns, 32 for each lane.
template <class F>
void with_team(int64_t cols, F&& f) {
  if (cols <= 1024) {
    f(WarpTeam{});
  } else {
    f(BlockTeam{});
  }
}

}  // namespace graft::kernels::cuda
