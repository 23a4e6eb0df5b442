// The products of attention without tensor cores, for any head size, in float: what the kernels of
// attention_kernels.h need to know of who holds which element. 256 threads are 16 x 16, and a half of a warp
// has whole rows: so a row's maximum is a matter of four shuffles, and the weights that one half writes are
// read by nobody else.
#pragma once

#include "kernels/cuda/elements.h"
#include "kernels/cuda/team.h"
#include "kernels/cuda/unroll.h"

namespace graft::kernels::cuda {

// kRows x kCols scores at once, of heads of up to kHead.
template <class T, int kHead_, int kRows_, int kCols_>
struct SimtAttention {
  using Element = T;
  static constexpr int kHead = kHead_, kRows = kRows_, kCols = kCols_, kThreads = 256;
  static constexpr int kAcross = 16;  // threads of a row
  static constexpr int kRun = 4;      // elements that are read at once
  static_assert(kRows % 16 == 0 && kCols % 16 == 0 && kHead % 32 == 0);

  static __device__ __forceinline__ int thread_row() { return static_cast<int>(threadIdx.x) / kAcross; }
  static __device__ __forceinline__ int thread_col() { return static_cast<int>(threadIdx.x) % kAcross; }

  // kLines rows of one head in shared memory. Eight lanes read runs of eight neighbouring lines at once: four
  // floats more to a line, and these are in different banks.
  template <int kLines>
  struct Tile {
    alignas(16) float at[kLines][kHead + 4];

    // Lines [first, end) of the head that starts at `head`, `stride` elements apart; all others, and what is
    // beyond `size`, are 0.
    __device__ void load(const T* head, int64_t stride, int first, int end, int size, bool wide) {
      GRAFT_UNROLL_TWICE
      for (int n = static_cast<int>(threadIdx.x); n < kLines * kHead / kRun; n += kThreads) {
        const int line = n / (kHead / kRun), d = n % (kHead / kRun) * kRun;
        float run[kRun] = {};
        if (first + line < end && d < size) {
          const T* from = head + (first + line) * stride + d;
          if (wide) {
            auto pack = *reinterpret_cast<const Pack<T, kRun>*>(from);
            GRAFT_UNROLL
            for (int e = 0; e < kRun; ++e) run[e] = to_float(pack.values[e]);
          } else {
            GRAFT_UNROLL
            for (int e = 0; e < kRun; ++e) run[e] = d + e < size ? to_float(from[e]) : 0.0f;
          }
        }
        *reinterpret_cast<float4*>(&at[line][d]) = make_float4(run[0], run[1], run[2], run[3]);
      }
    }
  };
  // Loads are done when they return; only a barrier is needed before others read.
  static __device__ __forceinline__ void wait_for_loads() {}

  static __device__ __forceinline__ float dot(const float4& a, const float4& b, float sum) {
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum))));
  }

  // This thread's scores: rows 16 apart, columns 16 apart.
  struct Scores {
    static constexpr int kI = kRows / 16, kJ = kCols / kAcross;
    float at[kI][kJ] = {};

    static __device__ __forceinline__ int row(int i) { return thread_row() + 16 * i; }
    static __device__ __forceinline__ int col(int j) { return thread_col() + kAcross * j; }
    __device__ __forceinline__ float& operator()(int i, int j) { return at[i][j]; }
    // All threads of a row call it and get the same value.
    template <class Op>
    static __device__ __forceinline__ float reduce_row(float value, Op op) {
      GRAFT_UNROLL
      for (int apart = kAcross / 2; apart > 0; apart /= 2)
        value = op(value, __shfl_xor_sync(0xFFFFFFFFu, value, apart));
      return value;
    }

    // += rows cols^T
    __device__ __forceinline__ void add_dots(const Tile<kRows>& rows, const Tile<kCols>& cols) {
      GRAFT_UNROLL_TWICE
      for (int d = 0; d < kHead; d += kRun) {
        float4 a[kI], b[kJ];
        GRAFT_UNROLL
        for (int i = 0; i < kI; ++i) a[i] = *reinterpret_cast<const float4*>(&rows.at[row(i)][d]);
        GRAFT_UNROLL
        for (int j = 0; j < kJ; ++j) b[j] = *reinterpret_cast<const float4*>(&cols.at[col(j)][d]);
        GRAFT_UNROLL
        for (int i = 0; i < kI; ++i) {
          GRAFT_UNROLL
          for (int j = 0; j < kJ; ++j) at[i][j] = dot(a[i], b[j], at[i][j]);
        }
      }
    }
  };

  // Scores on their way from the threads of a row to all threads of the row. The two rows of a warp are half
  // the banks apart.
  struct Weights {
    alignas(16) float at[kRows][kCols + 16];
  };

  // This thread's part of [kRows, kHead]: the rows of its scores, runs of kWide columns.
  struct Sums {
    static constexpr int kI = kRows / 16, kJ = kHead / kAcross, kWide = kJ < kRun ? kJ : kRun;
    float at[kI][kJ] = {};

    static __device__ __forceinline__ int row(int i) { return Scores::row(i); }
    static __device__ __forceinline__ int col(int j) {
      return (j / kWide * kAcross + thread_col()) * kWide + j % kWide;
    }
    __device__ __forceinline__ float& operator()(int i, int j) { return at[i][j]; }

    // += scores tile, with a line of the tile for each column of the scores
    __device__ __forceinline__ void add_weighted(const Scores& scores, const Tile<kCols>& tile,
                                                 Weights& weights) {
      __syncwarp();  // the last call's readers are done with weights
      GRAFT_UNROLL
      for (int i = 0; i < kI; ++i) {
        GRAFT_UNROLL
        for (int j = 0; j < Scores::kJ; ++j) weights.at[row(i)][Scores::col(j)] = scores.at[i][j];
      }
      __syncwarp();  // the weights of this warp's rows are written
      GRAFT_UNROLL_TWICE
      for (int c = 0; c < kCols; c += kRun) {
        float w[kI][kRun];
        GRAFT_UNROLL
        for (int i = 0; i < kI; ++i) {
          float4 run = *reinterpret_cast<const float4*>(&weights.at[row(i)][c]);
          w[i][0] = run.x, w[i][1] = run.y, w[i][2] = run.z, w[i][3] = run.w;
        }
        GRAFT_UNROLL
        for (int e = 0; e < kRun; ++e) {
          GRAFT_UNROLL
          for (int j = 0; j < kJ; j += kWide) {
            auto line = *reinterpret_cast<const Pack<float, kWide>*>(&tile.at[c + e][col(j)]);
            GRAFT_UNROLL
            for (int i = 0; i < kI; ++i) {
              GRAFT_UNROLL
              for (int n = 0; n < kWide; ++n) at[i][j + n] = fmaf(w[i][e], line.values[n], at[i][j + n]);
            }
          }
        }
      }
    }
  };
};

}  // namespace graft::kernels::cuda
