// Rung 4: a thread makes eight results, one below the other.
//
// On rung 3 each multiplication needs two loads from shared memory, and loads are what the kernel waits for.
// Here one element of b, once it is in a register, serves eight rows: nine loads for eight multiplications.
// A tile of 64 x 64 with 512 threads, steps of 8.
#include "bench/ladder/gemm/sizes.h"
#include "kernels/cuda/shared.h"

namespace graft::ladder {
namespace {

constexpr int kTile = 64, kDepth = 8, kEach = 8;

struct Step {
  float a[kTile][kDepth];
  float b[kDepth][kTile];
};

__global__ void multiply_column(const float* a, const float* b, float* c, Sizes n) {
  Step& step = kernels::cuda::shared<Step>();
  int thread = static_cast<int>(threadIdx.x);
  int first_row = static_cast<int>(blockIdx.y) * kTile, first_col = static_cast<int>(blockIdx.x) * kTile;
  int row = thread / kTile * kEach, col = thread % kTile;
  float sums[kEach] = {};
  for (int k0 = 0; k0 < n.depth; k0 += kDepth) {
    step.a[thread / kDepth][thread % kDepth] =
        a[(first_row + thread / kDepth) * n.depth + k0 + thread % kDepth];
    step.b[thread / kTile][thread % kTile] = b[(k0 + thread / kTile) * n.cols + first_col + thread % kTile];
    __syncthreads();
    for (int k = 0; k < kDepth; ++k) {
      float right = step.b[k][col];
      GRAFT_UNROLL
      for (int i = 0; i < kEach; ++i) sums[i] += step.a[row + i][k] * right;
    }
    __syncthreads();
  }
  GRAFT_UNROLL
  for (int i = 0; i < kEach; ++i) c[(first_row + row + i) * n.cols + first_col + col] = sums[i];
}

}  // namespace

void register_column(const Tensor& a, const Tensor& b, const Tensor& c) {
  using namespace kernels::cuda;
  Sizes n(a, b);
  launch("ladder 04", multiply_column, blocks_of_tiles(n, kTile, kTile, dim3(kTile * kTile / kEach)),
         data<float>(a), data<float>(b), data<float>(c), n);
}

}  // namespace graft::ladder
