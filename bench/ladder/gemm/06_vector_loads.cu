// Rung 6: sixteen bytes at a time, and no two lanes in one bank.
//
// Each load and store moves a float4: a quarter of the instructions. For that a thread's rows must be side by
// side in shared memory, so a is stored turned, a row of lines for each k. The eight rows of a thread are two
// runs of four, half a tile apart, and so are its columns: then the lanes of a quarter of a warp, which
// shared memory serves in one pass, read 128 bytes in a row, or all the same 16. Four floats of padding keep
// the turned stores of one quad of k out of the banks of the other's.
#include "bench/ladder/gemm/sizes.h"
#include "kernels/cuda/shared.h"

namespace graft::ladder {
namespace {

constexpr int kTile = 128, kDepth = 8, kThreads = 256, kPad = 4;

struct Step {
  float a[kDepth][kTile + kPad];
  float b[kDepth][kTile + kPad];
};

__device__ float4& quad(float& first) {
  return reinterpret_cast<float4&>(first);
}
__device__ const float4& quad(const float& first) {
  return reinterpret_cast<const float4&>(first);
}

// Four values of a row of shared memory from `at`, and four from half a tile further.
__device__ void read_eight(const float* row, int at, float (&out)[8]) {
  quad(out[0]) = quad(row[at]);
  quad(out[4]) = quad(row[kTile / 2 + at]);
}

__global__ void __launch_bounds__(kThreads)
    multiply_vectors(const float* a, const float* b, float* c, Sizes n) {
  Step& step = kernels::cuda::shared<Step>();
  int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  int first_row = static_cast<int>(blockIdx.y) * kTile, first_col = static_cast<int>(blockIdx.x) * kTile;
  // A warp makes 16 + 16 rows of 32 + 32 columns: 4 x 8 lanes with two runs of four each way.
  int row = (warp / 2 * 4 + lane / 8) * 4, col = (warp % 2 * 8 + lane % 8) * 4;
  float sums[8][8] = {};
  for (int k0 = 0; k0 < n.depth; k0 += kDepth) {
    float4 from_a = quad(a[(first_row + thread / 2) * n.depth + k0 + thread % 2 * 4]);
    float4 from_b = quad(b[(k0 + thread / 32) * n.cols + first_col + lane * 4]);
    step.a[thread % 2 * 4][thread / 2] = from_a.x;
    step.a[thread % 2 * 4 + 1][thread / 2] = from_a.y;
    step.a[thread % 2 * 4 + 2][thread / 2] = from_a.z;
    step.a[thread % 2 * 4 + 3][thread / 2] = from_a.w;
    quad(step.b[thread / 32][lane * 4]) = from_b;
    __syncthreads();
    for (int k = 0; k < kDepth; ++k) {
      alignas(16) float left[8], right[8];
      read_eight(step.a[k], row, left);
      read_eight(step.b[k], col, right);
      GRAFT_UNROLL
      for (int i = 0; i < 8; ++i) {
        GRAFT_UNROLL
        for (int j = 0; j < 8; ++j) sums[i][j] += left[i] * right[j];
      }
    }
    __syncthreads();
  }
  GRAFT_UNROLL
  for (int i = 0; i < 8; ++i) {
    int r = first_row + row + (i < 4 ? i : kTile / 2 + i - 4);
    quad(c[r * n.cols + first_col + col]) = make_float4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
    quad(c[r * n.cols + first_col + kTile / 2 + col]) =
        make_float4(sums[i][4], sums[i][5], sums[i][6], sums[i][7]);
  }
}

}  // namespace

void vector_loads(const Tensor& a, const Tensor& b, const Tensor& c) {
  using namespace kernels::cuda;
  Sizes n(a, b);
  launch("ladder 06", multiply_vectors, blocks_of_tiles(n, kTile, kTile, dim3(kThreads)), data<float>(a),
         data<float>(b), data<float>(c), n);
}

}  // namespace graft::ladder
