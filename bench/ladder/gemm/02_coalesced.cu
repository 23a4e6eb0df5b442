// Rung 2: neighbours in a warp are neighbours in memory.
//
// Only the two coordinates have changed places: threadIdx.x now goes along a row. 32 lanes read 32 floats of
// b that lie side by side, four sectors, each used whole; and all of them the same float of a, one sector.
#include "bench/ladder/gemm/sizes.h"

namespace graft::ladder {
namespace {

__global__ void multiply_coalesced(const float* a, const float* b, float* c, Sizes n) {
  int row = static_cast<int>(blockIdx.y * 32 + threadIdx.y),
      col = static_cast<int>(blockIdx.x * 32 + threadIdx.x);
  float sum = 0;
  for (int k = 0; k < n.depth; ++k) sum += a[row * n.depth + k] * b[k * n.cols + col];
  c[row * n.cols + col] = sum;
}

}  // namespace

void coalesced(const Tensor& a, const Tensor& b, const Tensor& c) {
  using namespace kernels::cuda;
  Sizes n(a, b);
  launch("ladder 02", multiply_coalesced, blocks_of_tiles(n, 32, 32, dim3(32, 32)), data<float>(a),
         data<float>(b), data<float>(c), n);
}

}  // namespace graft::ladder
