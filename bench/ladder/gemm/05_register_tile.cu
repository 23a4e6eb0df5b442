// Rung 5: a thread makes 8 x 8 results.
//
// Eight elements of a and eight of b are in registers for 64 multiplications: a quarter of a load each, where
// rung 4 needs more than one. It has a price in registers, 64 sums and 16 factors, and so in how many threads
// a multiprocessor has room for; arithmetic of independent sums hides what their number no longer does. A
// tile of 128 x 128 with 256 threads, steps of 8. The loads still meet in banks: 8 columns a thread lie 32
// bytes from those of its neighbour.
#include "bench/ladder/gemm/sizes.h"
#include "kernels/cuda/shared.h"

namespace graft::ladder {
namespace {

constexpr int kTile = 128, kDepth = 8, kEach = 8, kThreads = kTile * kTile / (kEach * kEach);

struct Step {
  float a[kTile][kDepth];
  float b[kDepth][kTile];
};

__global__ void __launch_bounds__(kThreads) multiply_tile(const float* a, const float* b, float* c, Sizes n) {
  Step& step = kernels::cuda::shared<Step>();
  int thread = static_cast<int>(threadIdx.x);
  int first_row = static_cast<int>(blockIdx.y) * kTile, first_col = static_cast<int>(blockIdx.x) * kTile;
  int row = thread / (kTile / kEach) * kEach, col = thread % (kTile / kEach) * kEach;
  float sums[kEach][kEach] = {};
  for (int k0 = 0; k0 < n.depth; k0 += kDepth) {
    for (int i = thread; i < kTile * kDepth; i += kThreads) {
      step.a[i / kDepth][i % kDepth] = a[(first_row + i / kDepth) * n.depth + k0 + i % kDepth];
      step.b[i / kTile][i % kTile] = b[(k0 + i / kTile) * n.cols + first_col + i % kTile];
    }
    __syncthreads();
    for (int k = 0; k < kDepth; ++k) {
      float left[kEach], right[kEach];
      GRAFT_UNROLL
      for (int i = 0; i < kEach; ++i) left[i] = step.a[row + i][k];
      GRAFT_UNROLL
      for (int j = 0; j < kEach; ++j) right[j] = step.b[k][col + j];
      GRAFT_UNROLL
      for (int i = 0; i < kEach; ++i) {
        GRAFT_UNROLL
        for (int j = 0; j < kEach; ++j) sums[i][j] += left[i] * right[j];
      }
    }
    __syncthreads();
  }
  GRAFT_UNROLL
  for (int i = 0; i < kEach; ++i) {
    GRAFT_UNROLL
    for (int j = 0; j < kEach; ++j) c[(first_row + row + i) * n.cols + first_col + col + j] = sums[i][j];
  }
}

}  // namespace

void register_tile(const Tensor& a, const Tensor& b, const Tensor& c) {
  using namespace kernels::cuda;
  Sizes n(a, b);
  launch("ladder 05", multiply_tile, blocks_of_tiles(n, kTile, kTile, dim3(kThreads)), data<float>(a),
         data<float>(b), data<float>(c), n);
}

}  // namespace graft::ladder
