// The tiled product in plain multiplications, for every type, size and alignment, whatever the operands are
// in memory (gemm_operands.h, conv_windows.h) and wherever the result goes (gemm_output.h). f32 is always
// multiplied here; for bf16 there are faster tiers (gemm_tiers.h).
//
// A block of threads makes one tile of the result. It walks along the depth in steps of 8: both operands'
// part of the step goes to shared memory, from where each thread takes 8 rows of a and 8 columns of b for 64
// multiplications. While it multiplies, the next step is on its way from global memory to registers; two
// stages of shared memory take turns, so there is one barrier in a step.
//
// Each element is one sum in the order of k, whatever the tile: a row of the result does not depend on the
// other rows. Only where the caller splits the depth is a sum made of parts.
#pragma once

#include "kernels/cuda/gemm_grid.h"
#include "kernels/cuda/gemm_output.h"

namespace graft::kernels::cuda {

// kRows x kCols of the result by kRows * kCols / 64 threads. In a warp, lanes that are neighbours have
// neighbouring columns. A thread's 8 rows are two runs of 4, half a tile apart, and so are its columns: then
// the lanes of a quarter warp read 128 bytes in a row, or all the same 16.
template <int kRows_, int kCols_>
struct Tile {
  static constexpr int kRows = kRows_, kCols = kCols_, kDepth = 8;
  static constexpr int kThreads = kRows * kCols / 64;
  static constexpr int kLaneCols = kCols / 8 < 8 ? kCols / 8 : 8, kLaneRows = 32 / kLaneCols;
  static constexpr int kWarpCols = kCols / 8 / kLaneCols;
  // One step in shared memory, transposed: for each k a row of lines. A thread stores a quad that runs along
  // the depth into four rows; 16 threads beside it store other lines, the next 16 the other quad of the same
  // lines. With 4 more elements to a row, four rows are 16 banks apart, and no two threads meet in a bank.
  static constexpr int kPad = 4;
  struct Stage {
    float a[kDepth][kRows + kPad];
    float b[kDepth][kCols + kPad];
  };
  struct Stages {
    Stage turn[2];
  };

  static_assert(kThreads % 32 == 0 && kThreads <= 1024, "whole warps");
  static_assert(kRows % (8 * kLaneRows) == 0 && kCols % (8 * kLaneCols) == 0, "a warp has whole lanes");
  static_assert(kRows * kDepth / 4 % kThreads == 0 && kCols * kDepth / 4 % kThreads == 0,
                "each thread carries as many quads");
  static_assert(4 * (kRows + kPad) % 32 == 16 && 4 * (kCols + kPad) % 32 == 16, "no bank conflicts");
  static_assert(sizeof(Stages) <= 48 * 1024, "static shared memory ends at 48 KiB");
};

// What a thread carries of one operand in each step, from global memory to shared.
template <class Tile, int kLines, class Operand>
class Carrier {
 public:
  __device__ Carrier(const Operand& operand, int group, int first_line) {
    GRAFT_UNROLL
    for (int i = 0; i < kQuads; ++i) lines_[i] = operand.line(group, first_line + line_of(i));
  }
  __device__ void read(const Operand& operand, int k, int end) {
    GRAFT_UNROLL
    for (int i = 0; i < kQuads; ++i) quads_[i] = operand.load(lines_[i], k + depth_of(i), end);
  }
  __device__ void write(float (&stage)[Tile::kDepth][kLines + Tile::kPad]) const {
    GRAFT_UNROLL
    for (int i = 0; i < kQuads; ++i) {
      int l = line_of(i), k = depth_of(i);
      if constexpr (Operand::kAlongDepth) {
        stage[k][l] = quads_[i].x;
        stage[k + 1][l] = quads_[i].y;
        stage[k + 2][l] = quads_[i].z;
        stage[k + 3][l] = quads_[i].w;
      } else {
        *reinterpret_cast<float4*>(&stage[k][l]) = quads_[i];
      }
    }
  }

 private:
  static constexpr int kQuads = kLines * Tile::kDepth / 4 / Tile::kThreads;
  // Neighbouring threads take quads that are neighbours in memory.
  static constexpr int kInLine = Operand::kAlongDepth ? Tile::kDepth / 4 : kLines / 4;
  static __device__ int number(int i) { return static_cast<int>(threadIdx.x) + i * Tile::kThreads; }
  static __device__ int line_of(int i) {
    return Operand::kAlongDepth ? number(i) / kInLine : number(i) % kInLine * 4;
  }
  static __device__ int depth_of(int i) {
    return Operand::kAlongDepth ? number(i) % kInLine * 4 : number(i) / kInLine;
  }

  typename Operand::Line lines_[kQuads];
  float4 quads_[kQuads];
};

__device__ __forceinline__ void read_quad(const float* from, float* to) {
  float4 v = *reinterpret_cast<const float4*>(from);
  to[0] = v.x;
  to[1] = v.y;
  to[2] = v.z;
  to[3] = v.w;
}

// sums += a step of 8, for the thread's 8 rows from `row` and columns from `col` of the tile.
template <class Tile>
__device__ __forceinline__ void multiply_step(const typename Tile::Stage& stage, int row, int col,
                                              float (&sums)[8][8]) {
  GRAFT_UNROLL
  for (int k = 0; k < Tile::kDepth; ++k) {
    float a[8], b[8];
    read_quad(&stage.a[k][row], a);
    read_quad(&stage.a[k][Tile::kRows / 2 + row], a + 4);
    read_quad(&stage.b[k][col], b);
    read_quad(&stage.b[k][Tile::kCols / 2 + col], b + 4);
    GRAFT_UNROLL
    for (int i = 0; i < 8; ++i) {
      GRAFT_UNROLL
      for (int j = 0; j < 8; ++j) sums[i][j] += a[i] * b[j];
    }
  }
}

// Blocks that a multiprocessor must have room for at once: two of the large tile leave a thread 128
// registers, which operands that gather do not get by with; four small ones leave all that it can have.
template <class Tile, class A, class B>
struct Residency {
  static constexpr int kBlocks = Tile::kThreads < 256 ? 4 : A::kGathers || B::kGathers ? 1 : 2;
};

// One block for each tile of each slice.
template <class Tile, class A, class B, class Out>
__global__ void __launch_bounds__(Tile::kThreads, Residency<Tile, A, B>::kBlocks)
    tiled_product(const __grid_constant__ A a, const __grid_constant__ B b, const __grid_constant__ Out out,
                  Extent extent) {
  typename Tile::Stages& stages = shared<typename Tile::Stages>();
  const Part part = part_of_block<Tile>(extent);
  const int first_row = part.first_row, first_col = part.first_col, end = part.end;
  int k = part.begin;

  int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  int row = (warp / Tile::kWarpCols * Tile::kLaneRows + lane / Tile::kLaneCols) * 4;
  int col = (warp % Tile::kWarpCols * Tile::kLaneCols + lane % Tile::kLaneCols) * 4;

  Carrier<Tile, Tile::kRows, A> carry_a(a, part.group, first_row);
  Carrier<Tile, Tile::kCols, B> carry_b(b, part.group, first_col);
  carry_a.read(a, k, end);
  carry_b.read(b, k, end);
  carry_a.write(stages.turn[0].a);
  carry_b.write(stages.turn[0].b);
  __syncthreads();  // the first step is in shared memory

  float sums[8][8] = {};
  for (int turn = 0; k < end; k += Tile::kDepth, turn ^= 1) {
    bool more = k + Tile::kDepth < end;
    if (more) {
      carry_a.read(a, k + Tile::kDepth, end);
      carry_b.read(b, k + Tile::kDepth, end);
    }
    multiply_step<Tile>(stages.turn[turn], row, col, sums);
    if (more) {
      carry_a.write(stages.turn[turn ^ 1].a);
      carry_b.write(stages.turn[turn ^ 1].b);
    }
    __syncthreads();  // the next step is in shared memory, and this one's readers are done with it
  }

  GRAFT_UNROLL
  for (int i = 0; i < 8; ++i) {
    int r = first_row + row + (i < 4 ? i : Tile::kRows / 2 + i - 4);
    if (r >= extent.rows) continue;
    GRAFT_UNROLL
    for (int half = 0; half < 2; ++half) {
      int c = first_col + col + half * Tile::kCols / 2;
      if (c < extent.cols) {
        out.store(part.group, part.slice, r, extent.rows, c, extent.cols, sums[i] + 4 * half);
      }
    }
  }
}

// f(Tile<...>{}): a choice by the sizes alone. The large tile reads least from memory, but must leave enough
// blocks to keep a hundred multiprocessors at work.
template <class F>
void with_tile(int64_t rows, int64_t cols, int64_t slices, F&& f) {
  int64_t large = (rows + 127) / 128 * ((cols + 127) / 128) * slices;
  if (cols <= 32) {
    f(Tile<128, 32>{});
  } else if (cols > 64 && large >= 96) {
    f(Tile<128, 128>{});
  } else {
    f(Tile<64, 64>{});
  }
}

// c(group) = a(group) b(group)^T as `multiply` (gemm_tiers.h) says.
template <class A, class B, class Out>
void multiply_simt(const char* name, const A& a, const B& b, const Out& out, int64_t rows, int64_t cols,
                   int64_t depth, int64_t groups, int64_t splits) {
  with_tile(rows, cols, groups * splits, [&](auto tile) {
    using Shape = decltype(tile);
    Plan plan = plan_grid<Shape>(rows, cols, depth, groups, splits);
    launch(name, tiled_product<Shape, A, B, Out>, Work{plan.grid, dim3(Shape::kThreads)}, a, b, out,
           plan.extent);
  });
}

}  // namespace graft::kernels::cuda
