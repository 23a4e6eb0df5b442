// Rung 8: tensor cores, by hand.
//
// mma.sync multiplies 16 x 16 by 16 x 8 in one instruction of a warp, in bf16 with sums in float. Its
// operands are spread over the lanes in a fixed pattern, and ldmatrix fetches them so: each lane names a row
// of 8 elements, and the warp gets four 8 x 8 matrices. b is turned on the way.
//
// A row of the tile of a is 64 bytes, of b 128: the 8 rows that ldmatrix reads in one pass begin in the same
// 2 banks' groups or even the same one, and are served one after another. The arithmetic now is so fast that
// this is what the kernel spends its time on; rung 9 is about nothing else. A tile of 64 x 64 with 4 warps,
// each 32 x 32, steps of 32.
#include "bench/ladder/gemm/sizes.h"
#include "kernels/cuda/ptx.cuh"
#include "kernels/cuda/shared.h"

namespace graft::ladder {
namespace {

using Element = __nv_bfloat16;
constexpr int kTile = 64, kDepth = 32, kThreads = 128, kRun = 8;  // a run: 16 bytes

struct Step {
  alignas(16) Element a[kTile][kDepth];
  alignas(16) Element b[kDepth][kTile];
};

// Runs of 16 bytes from `rows` rows of global memory to shared memory, neighbours by neighbouring threads.
template <int kCols>
__device__ void copy_runs(const Element* from, int from_step, Element (*to)[kCols], int rows) {
  constexpr int kInRow = kCols / kRun;
  for (int i = static_cast<int>(threadIdx.x); i < rows * kInRow; i += kThreads) {
    int row = i / kInRow, at = i % kInRow * kRun;
    using Run = kernels::cuda::Pack<Element>;
    *reinterpret_cast<Run*>(&to[row][at]) = *reinterpret_cast<const Run*>(&from[row * from_step + at]);
  }
}

__global__ void __launch_bounds__(kThreads, 4)
    multiply_tensor_cores(const Element* a, const Element* b, Element* c, Sizes n) {
  namespace ptx = kernels::cuda::ptx;
  Step& step = kernels::cuda::shared<Step>();
  int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  int first_row = static_cast<int>(blockIdx.y) * kTile, first_col = static_cast<int>(blockIdx.x) * kTile;
  int row = warp / 2 * 32, col = warp % 2 * 32;
  float sums[2][4][4] = {};  // two times 16 rows, four times 8 columns
  for (int k0 = 0; k0 < n.depth; k0 += kDepth) {
    copy_runs<kDepth>(a + first_row * n.depth + k0, n.depth, step.a, kTile);
    copy_runs<kTile>(b + k0 * n.cols + first_col, n.cols, step.b, kDepth);
    __syncthreads();
    GRAFT_UNROLL
    for (int k = 0; k < kDepth; k += 16) {
      uint32_t left[2][4], right[4][2];
      GRAFT_UNROLL
      for (int i = 0; i < 2; ++i)
        ptx::ldmatrix(left[i], &step.a[row + 16 * i + lane % 16][k + lane / 16 * kRun]);
      GRAFT_UNROLL
      for (int j = 0; j < 4; ++j) ptx::ldmatrix<true>(right[j], &step.b[k + lane % 16][col + 8 * j]);
      GRAFT_UNROLL
      for (int i = 0; i < 2; ++i) {
        GRAFT_UNROLL
        for (int j = 0; j < 4; ++j) ptx::mma_m16n8k16<Element>(sums[i][j], left[i], right[j]);
      }
    }
    __syncthreads();
  }
  GRAFT_UNROLL
  for (int i = 0; i < 2; ++i) {
    GRAFT_UNROLL
    for (int j = 0; j < 4; ++j) {
      Element* out =
          c + (first_row + row + 16 * i + lane / 4) * n.cols + first_col + col + 8 * j + lane % 4 * 2;
      out[0] = __float2bfloat16(sums[i][j][0]);
      out[1] = __float2bfloat16(sums[i][j][1]);
      out[8 * n.cols] = __float2bfloat16(sums[i][j][2]);
      out[8 * n.cols + 1] = __float2bfloat16(sums[i][j][3]);
    }
  }
}

}  // namespace

void tensor_cores(const Tensor& a, const Tensor& b, const Tensor& c) {
  using namespace kernels::cuda;
  Sizes n(a, b);
  launch("ladder 08", multiply_tensor_cores, blocks_of_tiles(n, kTile, kTile, dim3(kThreads)),
         data<Element>(a), data<Element>(b), data<Element>(c), n);
}

}  // namespace graft::ladder
