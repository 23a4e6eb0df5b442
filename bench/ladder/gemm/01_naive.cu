// Rung 1: one thread for each element of the result.
//
// A thread's neighbours in its warp, threadIdx.x + 1, + 2, ..., take the rows below. So in one instruction 32
// lanes want 32 floats that lie a whole row apart, in 32 different sectors of 32 bytes: the memory delivers
// eight times what is used. The sum itself is right, and that is all that can be said for it.
#include "bench/ladder/gemm/sizes.h"

namespace graft::ladder {
namespace {

__global__ void multiply_naive(const float* a, const float* b, float* c, Sizes n) {
  int row = static_cast<int>(blockIdx.y * 32 + threadIdx.x),
      col = static_cast<int>(blockIdx.x * 32 + threadIdx.y);
  float sum = 0;
  for (int k = 0; k < n.depth; ++k) sum += a[row * n.depth + k] * b[k * n.cols + col];
  c[row * n.cols + col] = sum;
}

}  // namespace

void naive(const Tensor& a, const Tensor& b, const Tensor& c) {
  using namespace kernels::cuda;
  Sizes n(a, b);
  launch("ladder 01", multiply_naive, blocks_of_tiles(n, 32, 32, dim3(32, 32)), data<float>(a),
         data<float>(b), data<float>(c), n);
}

}  // namespace graft::ladder
