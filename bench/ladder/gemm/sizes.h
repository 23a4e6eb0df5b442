// What the rungs' launches share.
#pragma once

#include "bench/ladder/gemm/rungs.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launch.h"

namespace graft::ladder {

struct Sizes {
  int rows, cols, depth;
  Sizes(const Tensor& a, const Tensor& b)
      : rows(static_cast<int>(a.dim(0))),
        cols(static_cast<int>(b.dim(1))),
        depth(static_cast<int>(a.dim(1))) {}
};

// A block for each tile of tile_rows x tile_cols: the x axis goes along a row of tiles.
inline kernels::cuda::Work blocks_of_tiles(Sizes sizes, int tile_rows, int tile_cols, dim3 block) {
  return {dim3(kernels::cuda::grid_size(sizes.cols / tile_cols),
               kernels::cuda::grid_size(sizes.rows / tile_rows)),
          block};
}

}  // namespace graft::ladder
