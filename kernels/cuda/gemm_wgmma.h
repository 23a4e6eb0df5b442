// The tiled product for compute capability 9.0a: matrices of bf16 whose rows are multiples of 16 bytes. The
// block's warps have different jobs. One thread, the producer, does nothing but start copies of whole boxes
// (TMA), which need no registers and no address of any other thread; beyond a matrix's edge they bring zeros.
// Two warpgroups, the consumers, do nothing but start products of what has landed (wgmma), which read both
// operands from shared memory. They meet at the stages of a ring (wgmma_tile.h); no barrier stops all.
//
// Each element is one sum in the order of k, 16 at a time, whatever the tile: a row of the result does not
// depend on the other rows.
#pragma once

#include "kernels/cuda/gemm_fragments.h"
#include "kernels/cuda/gemm_output.h"
#include "kernels/cuda/wgmma_tile.h"

namespace graft::kernels::cuda {

// Whether TMA can bring an operand: a matrix, and not what is gathered from many places.
template <class Operand>
inline constexpr bool kIsMatrix = false;
template <>
inline constexpr bool kIsMatrix<AlongDepth<__nv_bfloat16>> = true;
template <>
inline constexpr bool kIsMatrix<AlongLines<__nv_bfloat16>> = true;

template <class Operand>
inline constexpr ptx::Major kMajorOf = Operand::kAlongDepth ? ptx::Major::depth : ptx::Major::lines;

// The box of one copy: along the depth, 64 elements of all kLines lines; across it, of 64 lines, so that the
// panel takes several.
template <int kLines>
TensorMap map_panel(const AlongDepth<__nv_bfloat16>& x, int64_t depth, int64_t groups) {
  return make_tensor_map(x.data, x.count, depth, x.stride * 2, 2, kLines, 64, Swizzle::b128, groups,
                         groups == 1 ? 16 : x.group_step * 2);
}
template <int kLines>
TensorMap map_panel(const AlongLines<__nv_bfloat16>& x, int64_t depth, int64_t groups) {
  return make_tensor_map(x.data, depth, x.count, x.steps.stride * 2, 2, 64, 64, Swizzle::b128, groups,
                         groups == 1 ? 16 : x.group_step * 2);
}

// Starts the copies of kLines lines from `line` on, 64 elements from k on, into a stage's panel.
template <int kLines, ptx::Major kMajor>
__device__ __forceinline__ void copy_panel(__nv_bfloat16* panel, const TensorMap& map, int group, int line,
                                           int k, uint64_t* full) {
  if constexpr (kMajor == ptx::Major::depth) {
    ptx::tma_load(panel, map, k, line, full, group);
  } else {
    GRAFT_UNROLL
    for (int block = 0; block < kLines / 64; ++block) {
      ptx::tma_load(panel + block * 64 * 64, map, line + 64 * block, k, full, group);
    }
  }
}

// One thread: brings all steps, each as soon as its stage is empty.
template <class Tile, ptx::Major kA, ptx::Major kB>
__device__ void produce(const TensorMap& a, const TensorMap& b, const Part& part,
                        typename Tile::Stage* stages, typename Tile::Ring& ring) {
  Turn turn;
  for (int k = part.begin; k < part.end; k += Tile::kDepth, Tile::go_on(turn)) {
    typename Tile::Stage& stage = stages[turn.stage];
    Tile::wait_empty(ring, turn);
    Tile::announce(ring, turn);
    copy_panel<Tile::kRows, kA>(stage.a, a, part.group, part.first_row, k, &ring.full[turn.stage]);
    copy_panel<Tile::kCols, kB>(stage.b, b, part.group, part.first_col, k, &ring.full[turn.stage]);
  }
}

// A warpgroup: sums = its 64 rows from `row` of the tile on, times all columns. While one step is multiplied,
// the next one's products are already started, so that the tensor cores never wait for this loop.
template <class Tile, ptx::Major kA, ptx::Major kB>
__device__ __forceinline__ void consume(const Part& part, int row, const typename Tile::Stage* stages,
                                        typename Tile::Ring& ring, float (&sums)[Tile::kCols / 2]) {
  GRAFT_UNROLL
  for (float& sum : sums) sum = 0;
  Tile::fence(sums);
  Turn turn, previous;
  for (int k = part.begin; k < part.end; k += Tile::kDepth, Tile::go_on(turn)) {
    const typename Tile::Stage& stage = stages[turn.stage];
    const uint64_t a = Tile::descriptor(stage.a + row * Tile::kDepth), b = Tile::descriptor(stage.b);
    Tile::wait_full(ring, turn);
    ptx::wgmma_fence();
    GRAFT_UNROLL
    for (int slice = 0; slice < Tile::kDepth; slice += 16) {
      ptx::wgmma<Tile::kCols, kA, kB>(sums, ptx::from_depth<kA>(a, slice), ptx::from_depth<kB>(b, slice),
                                      true);
    }
    ptx::wgmma_commit();
    if (k > part.begin) {
      Tile::wait_for_previous();
      Tile::release(ring, previous);
    }
    previous = turn;
  }
  Tile::wait_for_all(sums);
}

// One block for each tile of each slice.
template <class Tile, ptx::Major kA, ptx::Major kB, class Out>
__global__ void __launch_bounds__(Tile::kThreads, 1)
    wgmma_product(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                  const __grid_constant__ Out out, Extent extent) {
  typename Tile::Ring& ring = shared<typename Tile::Ring>();
  typename Tile::Stage* stages = Tile::stages();
  const int thread = static_cast<int>(threadIdx.x), group = thread / 128;
  if (thread == 0) Tile::start(ring);
  __syncthreads();  // the ring is there

  const Part part = part_of_block<Tile>(extent);
  if (group == Tile::kConsumers) {
    ptx::give_registers<Tile::kProducerRegisters>();
    if (thread % 128 == 0) produce<Tile, kA, kB>(a, b, part, stages, ring);
    return;
  }
  ptx::take_registers<Tile::kConsumerRegisters>();
  float sums[Tile::kCols / 2];
  consume<Tile, kA, kB>(part, group * Tile::kGroupRows, stages, ring, sums);
  GRAFT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int row = thread / 32 * 16 + half * 8;
    GRAFT_UNROLL
    for (int j = 0; j < Tile::kCols / 8; j += 2) {
      store_pairs(out, part, extent, row, 8 * j, sums + 4 * j + 2 * half, sums + 4 * j + 4 + 2 * half);
    }
  }
}

// c(group) = a(group) b(group)^T as `multiply` (gemm_tiers.h) says, by tiles of one type. The depth is not 0.
template <class Tile, class A, class B, class Out>
void multiply_wgmma(const char* name, const A& a, const B& b, const Out& out, int64_t rows, int64_t cols,
                    int64_t depth, int64_t groups, int64_t splits) {
  Plan plan = plan_grid<Tile>(rows, cols, depth, groups, splits);
  launch(name, wgmma_product<Tile, kMajorOf<A>, kMajorOf<B>, Out>,
         Work{plan.grid, dim3(Tile::kThreads), Tile::kBytes}, map_panel<Tile::kRows>(a, depth, groups),
         map_panel<Tile::kCols>(b, depth, groups), out, plan.extent);
}

}  // namespace graft::kernels::cuda
