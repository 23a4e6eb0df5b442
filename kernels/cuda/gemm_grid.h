// How a product is laid out over a grid: which block makes which tile of which slice. A slice is one group's
// product over one part of the depth.
#pragma once

#include "kernels/cuda/divisor.h"
#include "kernels/cuda/launch.h"

namespace graft::kernels::cuda {

// A product's sizes as kernels see them. Group g and split s are slice g * splits + s.
struct Extent {
  int rows, cols, depth;
  int splits;
  int split_depth;  // of each but the last; a multiple of the tile's step
};

// The part of the product that one block makes: rows and columns from first_row and first_col on, summed over
// k from `begin` to `end`.
struct Part {
  int group, slice;
  int first_row, first_col;
  int begin, end;
};

// Blocks start in the order of their numbers, and those that run together should share what they read: so
// they walk through bands of a few tile rows, column by column, and not along whole rows of tiles. What a
// band's rows and some columns have in common stays in the second-level cache.
template <class Tile>
__device__ __forceinline__ Part part_of_block(const Extent& extent) {
  constexpr int kBand = 8;
  int tile_rows = (extent.rows + Tile::kRows - 1) / Tile::kRows;
  int tile_cols = (extent.cols + Tile::kCols - 1) / Tile::kCols;
  int block = static_cast<int>(blockIdx.x), slice = block / (tile_rows * tile_cols);
  int tile = block - slice * tile_rows * tile_cols;
  int band = tile / (kBand * tile_cols), in_band = tile - band * kBand * tile_cols;
  int height = min(kBand, tile_rows - band * kBand);
  int col = in_band / height, row = band * kBand + in_band - col * height;
  int group = slice / extent.splits;
  int begin = (slice - group * extent.splits) * extent.split_depth;
  return {group,
          slice,
          row * Tile::kRows,
          col * Tile::kCols,
          begin,
          min(extent.depth, begin + extent.split_depth)};
}

// The extent and the number of blocks of `groups` products whose depth is split. `Tile` has kRows, kCols and
// kDepth, the depth of one step.
struct Plan {
  Extent extent;
  dim3 grid;
};
template <class Tile>
Plan plan_grid(int64_t rows, int64_t cols, int64_t depth, int64_t groups, int64_t splits) {
  int64_t split_depth = (depth + splits - 1) / splits;
  split_depth = (split_depth + Tile::kDepth - 1) / Tile::kDepth * Tile::kDepth;
  int64_t tiles = (rows + Tile::kRows - 1) / Tile::kRows * ((cols + Tile::kCols - 1) / Tile::kCols);
  return {{to_int(rows), to_int(cols), to_int(depth), to_int(splits), to_int(split_depth)},
          dim3(grid_size(tiles * groups * splits))};
}

}  // namespace graft::kernels::cuda
