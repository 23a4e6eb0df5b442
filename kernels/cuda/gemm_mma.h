// The tiled product on tensor cores, for 16-bit operands that are read in runs of 16 bytes (mma_tile.h has
// the layout in shared memory, gemm_operands.h and conv_windows.h the operands). For compute capability 8.0
// and up.
//
// Three things happen at the same time. Copies of later steps are on their way from global to shared memory,
// without passing through registers (cp.async). Fragments of the next 16 of the depth go from shared memory
// to registers (ldmatrix). And the tensor cores multiply the fragments at hand (mma).
//
// Each element is one sum in the order of k, 16 at a time, whatever the tile: a row of the result does not
// depend on the other rows.
#pragma once

#include "kernels/cuda/gemm_fragments.h"
#include "kernels/cuda/gemm_output.h"
#include "kernels/cuda/mma_tile.h"

namespace graft::kernels::cuda {

// What a thread copies of one operand in each step: runs in kRuns rows of the panel, kRowStep apart, at the
// same place in each. Neighbouring threads copy runs that are neighbours in memory.
template <class Tile, int kLines, class Operand>
class AsyncCarrier {
 public:
  using T = typename Operand::Element;
  static constexpr bool kAlongDepth = Operand::kAlongDepth;
  using OwnPanel = Panel<Tile, kLines, kAlongDepth, T>;

  __device__ AsyncCarrier(const Operand& operand, int group, int first_line) {
    GRAFT_UNROLL
    for (int i = 0; i < kKnown; ++i) {
      lines_[i] = operand.line(group, first_line + (kAlongDepth ? row(i) : number() * Tile::kRun));
    }
  }
  // The step at k; what is at `end` or beyond, or beyond the lines, becomes 0.
  __device__ void copy(const Operand& operand, OwnPanel& panel, int k, int end) const {
    GRAFT_UNROLL
    for (int i = 0; i < kRuns; ++i) {
      Run<T> run = kAlongDepth ? operand.run(lines_[i % kKnown], k + number() * Tile::kRun, end)
                               : operand.run(lines_[0], k + row(i), end);
      ptx::cp_async<16>(panel.run(row(i), number()), run.from, run.inside ? 16 : 0);
    }
  }

 private:
  static constexpr int kInRow = OwnPanel::kInRow, kRowStep = Tile::kThreads / kInRow;
  static constexpr int kRuns = kLines * Tile::kDepth / Tile::kRun / Tile::kThreads;
  static constexpr int kKnown = kAlongDepth ? kRuns : 1;  // across lines, all rows have the same lines
  static_assert(Tile::kThreads % kInRow == 0);
  static __device__ int row(int i) { return static_cast<int>(threadIdx.x) / kInRow + i * kRowStep; }
  static __device__ int number() { return static_cast<int>(threadIdx.x) % kInRow; }

  typename Operand::Line lines_[kKnown];
};

// A warp's part of both operands for one slice of the depth.
template <class Tile>
struct Fragments {
  uint32_t a[Tile::kWarpRows / 16][4];
  uint32_t b[Tile::kWarpCols / 16][4];

  template <class Stage>
  __device__ __forceinline__ void load(Stage& stage, int row, int col, int k) {
    GRAFT_UNROLL
    for (int i = 0; i < Tile::kWarpRows / 16; ++i) stage.a.load_fragment(a[i], row + 16 * i, k);
    GRAFT_UNROLL
    for (int j = 0; j < Tile::kWarpCols / 16; ++j) stage.b.load_fragment(b[j], col + 16 * j, k);
  }
};

// A warp's sums. Of the 16 x 8 at (i, j) a lane has four, as mma lays them out.
template <class Tile, class T>
struct WarpSums {
  float at[Tile::kWarpRows / 16][Tile::kWarpCols / 8][4] = {};

  __device__ __forceinline__ void add(const Fragments<Tile>& f) {
    GRAFT_UNROLL
    for (int i = 0; i < Tile::kWarpRows / 16; ++i) {
      GRAFT_UNROLL
      for (int j = 0; j < Tile::kWarpCols / 8; ++j) {
        const uint32_t b[2] = {f.b[j / 2][j % 2], f.b[j / 2][j % 2 + 2]};
        ptx::mma_m16n8k16<T>(at[i][j], f.a[i], b);
      }
    }
  }

  template <class Out>
  __device__ __forceinline__ void store(const Out& out, const Part& part, const Extent& extent, int row,
                                        int col) const {
    GRAFT_UNROLL
    for (int i = 0; i < 2 * (Tile::kWarpRows / 16); ++i) {  // every 8 rows
      GRAFT_UNROLL
      for (int j = 0; j < Tile::kWarpCols / 8; j += 2) {
        store_pairs(out, part, extent, row + 8 * i, col + 8 * j, at[i / 2][j] + i % 2 * 2,
                    at[i / 2][j + 1] + i % 2 * 2);
      }
    }
  }
};

// One block for each tile of each slice.
template <class Tile, class A, class B, class Out>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    mma_product(const __grid_constant__ A a, const __grid_constant__ B b, const __grid_constant__ Out out,
                Extent extent) {
  using CarryA = AsyncCarrier<Tile, Tile::kRows, A>;
  using CarryB = AsyncCarrier<Tile, Tile::kCols, B>;
  struct Stage {
    typename CarryA::OwnPanel a;
    typename CarryB::OwnPanel b;
  };
  static_assert(sizeof(Stage) * Tile::kStages == Tile::kBytes);
  Stage* stages = dynamic_shared<Stage>();

  const Part part = part_of_block<Tile>(extent);
  const int steps = (max(part.end - part.begin, 0) + Tile::kDepth - 1) / Tile::kDepth;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int row = warp / Tile::kWarpsAcross * Tile::kWarpRows;
  const int col = warp % Tile::kWarpsAcross * Tile::kWarpCols;

  // Every step is one group of copies, of none where the depth has ended, so that the count is right.
  CarryA carry_a(a, part.group, part.first_row);
  CarryB carry_b(b, part.group, part.first_col);
  auto start_copies = [&](int step) {
    if (step < steps) {
      Stage& stage = stages[step % Tile::kStages];
      carry_a.copy(a, stage.a, part.begin + step * Tile::kDepth, part.end);
      carry_b.copy(b, stage.b, part.begin + step * Tile::kDepth, part.end);
    }
    ptx::cp_async_commit();
  };

  WarpSums<Tile, typename A::Element> sums;
  Fragments<Tile> fragments[2];  // one is multiplied while the other is loaded
  GRAFT_UNROLL
  for (int step = 0; step < Tile::kAhead; ++step) start_copies(step);
  Tile::wait_for_step();
  __syncthreads();  // the first step is there
  if (steps > 0) fragments[0].load(stages[0], row, col, 0);

  for (int step = 0; step < steps; ++step) {
    start_copies(step + Tile::kAhead);  // into the stage that all had read before the last barrier
    fragments[1].load(stages[step % Tile::kStages], row, col, Tile::kSlice);
    sums.add(fragments[0]);
    Tile::wait_for_step();
    __syncthreads();  // the next step is there, and all have read this one
    if (step + 1 < steps) fragments[0].load(stages[(step + 1) % Tile::kStages], row, col, 0);
    sums.add(fragments[1]);
  }
  sums.store(out, part, extent, row, col);
}

// c(group) = a(group) b(group)^T as `multiply` (gemm_tiers.h) says, by tiles of one type.
template <class Tile, class A, class B, class Out>
void multiply_mma(const char* name, const A& a, const B& b, const Out& out, int64_t rows, int64_t cols,
                  int64_t depth, int64_t groups, int64_t splits) {
  Plan plan = plan_grid<Tile>(rows, cols, depth, groups, splits);
  launch(name, mma_product<Tile, A, B, Out>, Work{plan.grid, dim3(Tile::kThreads), Tile::kBytes}, a, b, out,
         plan.extent);
}

}  // namespace graft::kernels::cuda
