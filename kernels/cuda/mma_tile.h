// One tile of a product on tensor cores: its sizes, and where its parts lie in shared memory.
//
// A step of the depth brings two panels, kDepth elements of each of the tile's lines of a and of b. In a
// panel, the runs of 8 elements (16 bytes) that were neighbours in global memory are neighbours again: a row
// of a panel is a line's part of the step where the operand runs along the depth, and all lines at one k
// where it runs across lines.
//
// ldmatrix reads the same run of 8 rows at once. Were rows simply put below each other, these 8 runs of 16
// bytes would lie 64, 128 or 256 bytes apart, in the same few of the 32 banks. So each row has its runs in
// another order: run c of row r is at c ^ (r % 8), and any 8 rows' runs c are in different banks. Rows of
// only 4 runs are two to a line of banks: there it is c ^ (r / 2 % 4).
#pragma once

#include "kernels/cuda/ptx.cuh"

namespace graft::kernels::cuda {

// kRows x kCols of the result; each warp makes kWarpRows x kWarpCols of it. kStages steps are in shared
// memory or on their way. kBlocks are to fit on a multiprocessor at once.
template <int kRows_, int kCols_, int kWarpRows_, int kWarpCols_, int kBlocks_, int kStages_ = 4>
struct MmaTile {
  static constexpr int kRows = kRows_, kCols = kCols_, kDepth = 32;
  static constexpr int kWarpRows = kWarpRows_, kWarpCols = kWarpCols_;
  static constexpr int kWarpsAcross = kCols / kWarpCols;
  static constexpr int kThreads = kRows / kWarpRows * kWarpsAcross * 32;
  static constexpr int kBlocks = kBlocks_;
  static constexpr int kStages = kStages_;
  static constexpr int kAhead = kStages - 1;  // steps that are copied before they are multiplied
  static constexpr int kRun = 8;              // elements of 16 bits
  static constexpr int kSlice = 16;           // of the depth, for one mma
  static constexpr int kSlices = kDepth / kSlice;

  static constexpr int kBytes = kStages * (kRows + kCols) * kDepth * 2;
  static_assert(kWarpRows % 16 == 0 && kWarpCols % 16 == 0, "fragments of 16 x 16");
  static_assert(kThreads <= 1024 && kRows * kDepth / kRun % kThreads == 0 &&
                    kCols * kDepth / kRun % kThreads == 0,
                "each thread carries as many runs");
  static_assert(kBlocks * (kBytes + 1024) <= 164 * 1024, "a multiprocessor of sm_80 has 164 KiB");
  static_assert(kSlices == 2, "two sets of fragments take turns");

  // Where run `run` of row `row` is, counted in runs from the start of a panel whose rows have kInRow runs.
  template <int kInRow>
  static __device__ __forceinline__ int place(int row, int run) {
    static_assert(kInRow == 4 || kInRow % 8 == 0);
    return row * kInRow + (run ^ (kInRow == 4 ? row / 2 % 4 : row % 8));
  }

  // Which row and run of a panel's 16 x 16 a lane passes to ldmatrix, which takes the four 8 x 8 matrices
  // lane by lane: lines 0-7 and 8-15 at k 0-7, then at k 8-15.
  struct RowAndRun {
    int row, run;
  };
  template <bool kAlongDepth>
  static __device__ __forceinline__ RowAndRun of_lane(int lane) {
    if constexpr (kAlongDepth) return {lane % 16, lane / 16};
    return {lane / 16 * 8 + lane % 8, lane / 8 % 2};
  }

  // This thread's copies for the next step have landed; those for kAhead - 1 later ones may be on their way
  // still.
  static __device__ __forceinline__ void wait_for_step() { ptx::cp_async_wait<kAhead - 1>(); }
};

using LargeMmaTile = MmaTile<128, 128, 64, 64, 2>;
using SmallMmaTile = MmaTile<64, 64, 32, 32, 4>;

// One operand's part of a step in shared memory: kLines lines of Tile::kDepth elements.
template <class Tile, int kLines, bool kAlongDepth, class T>
struct Panel {
  static_assert(sizeof(T) == 2);
  static constexpr int kInRow = (kAlongDepth ? Tile::kDepth : kLines) / Tile::kRun;
  alignas(16) T runs[kLines * Tile::kDepth / Tile::kRun][Tile::kRun];

  __device__ T* run(int row, int number) { return runs[Tile::template place<kInRow>(row, number)]; }

  // 16 lines from `line` at 16 k from `k`, for the whole warp. As a, that is an operand of mma; as b,
  // registers 0 and 2 are its first 8 columns, 1 and 3 the others.
  __device__ void load_fragment(uint32_t (&fragment)[4], int line, int k) {
    const auto at = Tile::template of_lane<kAlongDepth>(static_cast<int>(threadIdx.x) % 32);
    if constexpr (kAlongDepth) {
      ptx::ldmatrix(fragment, run(line + at.row, k / Tile::kRun + at.run));
    } else {  // a matrix in memory has k for its rows: it is turned on the way
      ptx::ldmatrix<true>(fragment, run(k + at.row, line / Tile::kRun + at.run));
    }
  }
};

}  // namespace graft::kernels::cuda
