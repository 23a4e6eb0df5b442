// Rung 3: what a block needs several times, it reads once.
//
// A tile of 32 x 32 results needs 32 rows of a and 32 columns of b, each element of them 32 times. The block
// brings a step of the depth to shared memory, each thread one element of each operand, and takes it from
// there: 32 times fewer bytes from global memory. The two barriers are what this costs: nobody may read
// before all have written, and nobody may write the next step before all have read.
#include "bench/ladder/gemm/sizes.h"
#include "kernels/cuda/shared.h"

namespace graft::ladder {
namespace {

constexpr int kTile = 32;

struct Step {
  float a[kTile][kTile];
  float b[kTile][kTile];
};

__global__ void multiply_shared(const float* a, const float* b, float* c, Sizes n) {
  Step& step = kernels::cuda::shared<Step>();
  int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  int row = static_cast<int>(blockIdx.y) * kTile + y, col = static_cast<int>(blockIdx.x) * kTile + x;
  float sum = 0;
  for (int k0 = 0; k0 < n.depth; k0 += kTile) {
    step.a[y][x] = a[row * n.depth + k0 + x];
    step.b[y][x] = b[(k0 + y) * n.cols + col];
    __syncthreads();
    for (int k = 0; k < kTile; ++k) sum += step.a[y][k] * step.b[k][x];
    __syncthreads();
  }
  c[row * n.cols + col] = sum;
}

}  // namespace

void shared_tile(const Tensor& a, const Tensor& b, const Tensor& c) {
  using namespace kernels::cuda;
  Sizes n(a, b);
  launch("ladder 03", multiply_shared, blocks_of_tiles(n, kTile, kTile, dim3(kTile, kTile)), data<float>(a),
         data<float>(b), data<float>(c), n);
}

}  // namespace graft::ladder
