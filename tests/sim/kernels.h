// Small textbook kernels for the simulator's tests. Each takes a mutant: one deliberate error, or none.
#pragma once

#include "kernels/cuda/cuda.h"

namespace graft::test {

enum class Mutant { none, no_barrier, no_fence, bound, wrong_lane, unwritten, between_blocks, divergent };

inline constexpr int kTile = 16;

// c = a b for n x n matrices; n is a multiple of kTile. Blocks of kTile x kTile.
template <Mutant kMutant>
__global__ void tiled_matmul(const float* a, const float* b, float* c, int n) {
  struct Tiles {
    float a[kTile][kTile], b[kTile][kTile];
  };
  Tiles& tiles = kernels::cuda::shared<Tiles>();
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int row = static_cast<int>(blockIdx.y) * kTile + y, col = static_cast<int>(blockIdx.x) * kTile + x;
  float sum = 0;
  for (int k = 0; k < n; k += kTile) {
    tiles.a[y][x] = a[row * n + k + x];
    tiles.b[y][x] = b[(k + y) * n + col];
    __syncthreads();  // both tiles are filled
    for (int i = 0; i < kTile; ++i) sum += tiles.a[y][i] * tiles.b[i][x];
    if (kMutant != Mutant::no_barrier) __syncthreads();  // everyone has read the tiles
  }
  c[row * n + col] = sum;
}

// out[block] = the sum of the block's values, by shuffles and one shared value for each warp.
template <Mutant kMutant>
__global__ void block_sums(const float* in, float* out, int n) {
  float* warp_sums = kernels::cuda::shared<float[32]>();
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  bool inside = kMutant == Mutant::bound ? i <= n : i < n;
  float sum = inside ? in[i] : 0.0f;
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, step);
  if (lane == 0) warp_sums[warp] = sum;
  if (kMutant == Mutant::divergent) {
    if (warp == 0) __syncthreads();
  } else if (kMutant != Mutant::no_barrier) {
    __syncthreads();  // all warps' sums are there
  }
  if (warp > 0) return;
  const int warps = static_cast<int>(blockDim.x) / 32;
  bool read = kMutant == Mutant::unwritten ? lane <= warps : lane < warps;
  sum = read ? warp_sums[lane] : 0.0f;
  for (int step = 16; step > 0; step /= 2) {
    sum += kMutant == Mutant::wrong_lane ? __shfl_down_sync(0xFFFFu, sum, static_cast<unsigned>(step) + 3)
                                         : __shfl_xor_sync(0xFFFFFFFFu, sum, step);
  }
  if (lane == 0) out[kMutant == Mutant::between_blocks ? blockIdx.x / 2 : blockIdx.x] = sum;
}

// out = in transposed, n x n, through a tile in shared memory with `kPad` spare columns. Blocks of 32 x 8.
template <int kPad>
__global__ void transpose(const float* in, float* out, int n) {
  struct Tile {
    float at[32][32 + kPad];
  };
  Tile& tile = kernels::cuda::shared<Tile>();
  const int x0 = static_cast<int>(blockIdx.x) * 32, y0 = static_cast<int>(blockIdx.y) * 32;
  const int x = static_cast<int>(threadIdx.x);
  for (int y = static_cast<int>(threadIdx.y); y < 32; y += 8) tile.at[y][x] = in[(y0 + y) * n + x0 + x];
  __syncthreads();  // the tile is filled
  for (int y = static_cast<int>(threadIdx.y); y < 32; y += 8) out[(x0 + y) * n + y0 + x] = tile.at[x][y];
}

// out = the number of blocks: the last to arrive adds up what all have published.
template <Mutant kMutant>
__global__ void last_block_sums(float* partial, unsigned* arrived, float* out) {
  bool& last = kernels::cuda::shared<bool>();
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = 1;
    if (kMutant != Mutant::no_fence) __threadfence();  // the sum before the news of it
    last = atomicInc(arrived, gridDim.x - 1) == gridDim.x - 1;
    if (kMutant != Mutant::no_fence) __threadfence();  // the news before the others' sums are read
  }
  __syncthreads();  // last is written
  if (!last || threadIdx.x != 7) return;
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += partial[i];
  *out = sum;
}

// counts[v] += how often v stands in the input; 64 bins, counted in shared memory first.
template <Mutant kMutant>
__global__ void histogram(const int* in, int* counts, int n) {
  int* bins = kernels::cuda::dynamic_shared<int>();
  if (threadIdx.x < 64) bins[threadIdx.x] = 0;
  if (kMutant != Mutant::no_barrier) __syncthreads();  // all bins are 0
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < n;
       i += static_cast<int>(gridDim.x * blockDim.x)) {
    atomicAdd(&bins[in[i]], 1);
  }
  __syncthreads();  // all are counted
  if (threadIdx.x >= 64) return;
  if (kMutant == Mutant::between_blocks) {
    counts[threadIdx.x] += bins[threadIdx.x];
  } else {
    atomicAdd(&counts[threadIdx.x], bins[threadIdx.x]);
  }
}

// For each warp: how many values are positive, whether any and all are, and the place of the first.
template <class T>
__global__ void votes(const T* in, int* out) {
  const unsigned all = 0xFFFFFFFFu;
  const int i = static_cast<int>(threadIdx.x), warp = i / 32;
  unsigned positive = __ballot_sync(all, in[i] > 0);
  int any = __any_sync(all, in[i] > 0), every = __all_sync(all, in[i] > 0);
  unsigned most = __reduce_max_sync(all, in[i] > 0 ? static_cast<unsigned>(in[i]) : 0u);
  if (i % 32) return;
  out[5 * warp] = __popc(positive);
  out[5 * warp + 1] = any;
  out[5 * warp + 2] = every;
  out[5 * warp + 3] = __ffs(static_cast<int>(positive));
  out[5 * warp + 4] = static_cast<int>(most);
}

// Writes `count` values into shared memory for 32.
template <class T>
__global__ void fill_shared(int count) {
  T* p = kernels::cuda::shared<T[32]>();
  for (int i = 0; i < count; ++i) p[i] = T(0);
}

}  // namespace graft::test
