// From a tensor core's sums in registers to the result. mma and wgmma lay sums out alike: of 16 rows and 8
// columns, lane l has row l / 4, columns 2 (l % 4) and the next, and the same of row l / 4 + 8.
#pragma once

#include "kernels/cuda/gemm_grid.h"

namespace graft::kernels::cuda {

// Writes row `row` + lane / 4 of 8 rows and 16 columns from `col` on, counted in the tile of `part`. `first`
// are the lane's two sums in the first 8 columns, `second` those in the others. Each pair of lanes exchanges
// one half: the even lane then has four in a row of the first, the odd lane of the second, and four lanes
// write a whole sector of 16 bf16.
template <class Out>
__device__ __forceinline__ void store_pairs(const Out& out, const Part& part, const Extent& extent, int row,
                                            int col, const float* first, const float* second) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const bool odd = lane % 2;
  float given[2], quad[4];
  GRAFT_UNROLL
  for (int e = 0; e < 2; ++e) given[e] = __shfl_xor_sync(0xFFFFFFFFu, odd ? first[e] : second[e], 1);
  GRAFT_UNROLL
  for (int e = 0; e < 2; ++e) {
    quad[e] = odd ? given[e] : first[e];
    quad[2 + e] = odd ? second[e] : given[e];
  }
  const int r = part.first_row + row + lane / 4;
  const int c = part.first_col + col + (odd ? 6 : 0) + lane % 4 * 2;
  if (r < extent.rows && c < extent.cols) {
    out.store(part.group, part.slice, r, extent.rows, c, extent.cols, quad);
  }
}

}  // namespace graft::kernels::cuda
