// The products of attention on tensor cores, for bf16 and heads of up to 128 in whole slices of 16: what the
// kernels of attention_kernels.h need to know of who holds which element. Each warp has 16 rows. Scores leave
// an mma in the registers from which the next one takes its operand, so they never go through memory; in that
// second product they are rounded to bf16.
#pragma once

#include "kernels/cuda/elements.h"
#include "kernels/cuda/mma_tile.h"
#include "kernels/cuda/unroll.h"

namespace graft::kernels::cuda {

// kRows x kCols scores at once, of heads of up to kHead.
template <int kHead_, int kRows_, int kCols_>
struct MmaAttention {
  using Element = __nv_bfloat16;
  static constexpr int kHead = kHead_, kRows = kRows_, kCols = kCols_, kThreads = kRows / 16 * 32;
  static constexpr int kRun = SmallMmaTile::kRun, kSlice = SmallMmaTile::kSlice;
  static_assert(kRows % 16 == 0 && kCols % 16 == 0 && kHead % 32 == 0);

  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int warp_row() { return static_cast<int>(threadIdx.x) / 32 * 16; }

  // kLines rows of one head in shared memory, their runs in the order that mma_tile.h gives them.
  template <int kLines>
  struct Tile {
    static constexpr int kInRow = kHead / kRun;
    alignas(16) Element runs[kLines * kInRow][kRun];

    __device__ __forceinline__ const Element* run(int line, int number) const {
      return runs[SmallMmaTile::place<kInRow>(line, number)];
    }
    // Starts to copy lines [first, end) of the head that starts at `head`, `stride` elements apart; all
    // others, and what is beyond `size`, become 0.
    __device__ void load(const Element* head, int64_t stride, int first, int end, int size, bool) {
      for (int n = static_cast<int>(threadIdx.x); n < kLines * kInRow; n += kThreads) {
        const int line = n / kInRow, number = n % kInRow;
        const bool inside = first + line < end && number * kRun < size;
        const Element* from = inside ? head + (first + line) * stride + number * kRun : head;
        ptx::cp_async<16>(runs[SmallMmaTile::place<kInRow>(line, number)], from, inside ? 16 : 0);
      }
    }
    // 16 lines from `line` at 16 elements from `d`: an operand whose depth runs along the head.
    __device__ __forceinline__ void load_along(uint32_t (&fragment)[4], int line, int d) const {
      const auto at = SmallMmaTile::of_lane<true>(lane());
      ptx::ldmatrix(fragment, run(line + at.row, d / kRun + at.run));
    }
    // The same elements where the depth runs from line to line.
    __device__ __forceinline__ void load_across(uint32_t (&fragment)[4], int line, int d) const {
      const auto at = SmallMmaTile::of_lane<false>(lane());
      ptx::ldmatrix<true>(fragment, run(line + at.row, d / kRun + at.run));
    }
  };
  static __device__ __forceinline__ void wait_for_loads() {
    ptx::cp_async_commit();
    ptx::cp_async_wait<0>();
  }

  // c += a b for 16 columns; b as load_along and load_across give it.
  static __device__ __forceinline__ void multiply(float (&first)[4], float (&second)[4],
                                                  const uint32_t (&a)[4], const uint32_t (&b)[4]) {
    const uint32_t left[2] = {b[0], b[2]}, right[2] = {b[1], b[3]};
    ptx::mma_m16n8k16<Element>(first, a, left);
    ptx::mma_m16n8k16<Element>(second, a, right);
  }
  static __device__ __forceinline__ uint32_t pair(float low, float high) {
    const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
    uint32_t bits;
    memcpy(&bits, &both, sizeof(bits));
    return bits;
  }

  // This thread's part of [kRows, kWidth], as mma lays it out: two rows, two neighbours of each 8 columns.
  template <int kWidth>
  struct Part {
    static constexpr int kI = 2, kJ = kWidth / 4, kWide = 2;
    float at[kWidth / 8][4] = {};

    static __device__ __forceinline__ int row(int i) { return warp_row() + lane() / 4 + 8 * i; }
    static __device__ __forceinline__ int col(int j) { return j / 2 * 8 + lane() % 4 * 2 + j % 2; }
    __device__ __forceinline__ float& operator()(int i, int j) { return at[j / 2][2 * i + j % 2]; }
  };

  struct Scores : Part<kCols> {
    using Part<kCols>::at;

    // All threads of a row call it and get the same value.
    template <class Op>
    static __device__ __forceinline__ float reduce_row(float value, Op op) {
      GRAFT_UNROLL
      for (int apart = 2; apart > 0; apart /= 2)
        value = op(value, __shfl_xor_sync(0xFFFFFFFFu, value, apart));
      return value;
    }
    // += rows cols^T
    __device__ __forceinline__ void add_dots(const Tile<kRows>& rows, const Tile<kCols>& cols) {
      GRAFT_UNROLL_TWICE
      for (int d = 0; d < kHead; d += kSlice) {
        uint32_t a[4];
        rows.load_along(a, warp_row(), d);
        GRAFT_UNROLL
        for (int c = 0; c < kCols; c += 16) {
          uint32_t b[4];
          cols.load_along(b, c, d);
          multiply(at[c / 8], at[c / 8 + 1], a, b);
        }
      }
    }
  };

  struct Weights {};  // in registers

  struct Sums : Part<kHead> {
    using Part<kHead>::at;

    // += scores tile, with a line of the tile for each column of the scores
    __device__ __forceinline__ void add_weighted(const Scores& scores, const Tile<kCols>& tile, Weights&) {
      GRAFT_UNROLL
      for (int c = 0; c < kCols; c += kSlice) {
        const float(&low)[4] = scores.at[c / 8], (&high)[4] = scores.at[c / 8 + 1];
        const uint32_t a[4] = {pair(low[0], low[1]), pair(low[2], low[3]), pair(high[0], high[1]),
                               pair(high[2], high[3])};
        GRAFT_UNROLL
        for (int d = 0; d < kHead; d += 16) {
          uint32_t b[4];
          tile.load_across(b, c, d);
          multiply(at[d / 8], at[d / 8 + 1], a, b);
        }
      }
    }
  };
};

}  // namespace graft::kernels::cuda
