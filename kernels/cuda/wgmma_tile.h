// One tile of a product on the tensor cores of compute capability 9.0a: its sizes, where its parts lie in
// shared memory, and the ring through which they pass.
//
// A stage holds one step of the depth, 64 elements of each of the tile's lines of a and of b, as tma_load
// with Swizzle::b128 leaves them and wgmma reads them: rows of 128 bytes. The producer fills stages in turn,
// the consumers empty them; an mbarrier for each direction of each stage tells the others:
//
//   full    the bytes that the producer announced have landed
//   empty   all consumer warps have done with the stage
//
// Both pass through phases of parity 0, 1, 0, ... A consumer's n-th visit to a stage waits for the end of the
// n-th phase of `full`. The producer's n-th waits for the end of the phase of `empty` before: at the first,
// of a phase that never was, which counts as ended.
#pragma once

#include "kernels/cuda/ptx_wgmma.cuh"

namespace graft::kernels::cuda {

// Where in the ring a warp is.
struct Turn {
  int stage = 0;
  unsigned parity = 0;
};

// 128 x kCols of the result, made by two consumer warpgroups of 64 rows each, and a producer.
template <int kCols_, int kStages_>
struct WgmmaTile {
  static constexpr int kRows = 128, kCols = kCols_, kDepth = 64, kStages = kStages_;
  static constexpr int kGroupRows = 64, kConsumers = kRows / kGroupRows;
  static constexpr int kThreads = (kConsumers + 1) * 128;
  static constexpr int kBlockBytes = 64 * kDepth * 2;  // 64 lines of a stage
  static constexpr unsigned kStageBytes = (kRows + kCols) / 64 * kBlockBytes;
  // The stages begin at a multiple of 1024, which the launch does not promise.
  static constexpr int kBytes = kStages * static_cast<int>(kStageBytes) + 1024;
  // Registers are dealt out 65,536 to a multiprocessor; the consumers hold the sums.
  static constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;

  static_assert(kBytes <= 226 * 1024, "sm_90 gives a block at most 227 KiB");
  static_assert(128 * (kProducerRegisters + kConsumers * kConsumerRegisters) <= 65536);

  struct Stage {
    __nv_bfloat16 a[kRows * kDepth], b[kCols * kDepth];
  };
  struct Ring {
    uint64_t full[kStages], empty[kStages];
  };

  static __device__ Stage* stages() {
    char* memory = dynamic_shared<char>();
    return reinterpret_cast<Stage*>(memory + (1024 - reinterpret_cast<uintptr_t>(memory) % 1024) % 1024);
  }
  static __device__ void start(Ring& ring) {
    for (int s = 0; s < kStages; ++s) {
      ptx::mbarrier_init(&ring.full[s], 1);                // by the producer, who announces the bytes
      ptx::mbarrier_init(&ring.empty[s], 4 * kConsumers);  // by each warp
    }
  }
  static __device__ __forceinline__ void go_on(Turn& turn) {
    if (++turn.stage == kStages) turn = {0, turn.parity ^ 1};
  }

  // The producer: the stage is empty, and bytes are on their way into it.
  static __device__ __forceinline__ void wait_empty(Ring& ring, const Turn& turn) {
    ptx::mbarrier_wait(&ring.empty[turn.stage], turn.parity ^ 1);
  }
  static __device__ __forceinline__ void announce(Ring& ring, const Turn& turn) {
    ptx::mbarrier_arrive_expect(&ring.full[turn.stage], kStageBytes);
  }
  // A consumer: the stage is full; and this warp has done with it.
  static __device__ __forceinline__ void wait_full(Ring& ring, const Turn& turn) {
    ptx::mbarrier_wait(&ring.full[turn.stage], turn.parity);
  }
  static __device__ __forceinline__ void release(Ring& ring, const Turn& turn) {
    if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(&ring.empty[turn.stage]);
  }

  // 64 lines, and kCols of them.
  static __device__ __forceinline__ uint64_t descriptor(const __nv_bfloat16* lines) {
    return ptx::matrix_descriptor(lines, kBlockBytes);
  }
  static __device__ __forceinline__ void fence(float (&sums)[kCols / 2]) { ptx::wgmma_fence(sums); }
  // But for this step's all products of this warp are done.
  static __device__ __forceinline__ void wait_for_previous() { ptx::wgmma_wait<1>(); }
  static __device__ __forceinline__ void wait_for_all(float (&sums)[kCols / 2]) { ptx::wgmma_wait<0>(sums); }
};

using WideWgmmaTile = WgmmaTile<256, 4>;
using WgmmaTile128 = WgmmaTile<128, 6>;
using NarrowWgmmaTile = WgmmaTile<64, 8>;

}  // namespace graft::kernels::cuda
