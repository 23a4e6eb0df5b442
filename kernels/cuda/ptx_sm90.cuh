// PTX of compute capability 9.0 for kernels whose warps have different jobs: mbarriers, copies of whole tiles
// by the tensor memory accelerator (TMA), and barriers of a part of the block. As in ptx.cuh each instruction
// is one function, and a simulator build carries it out on the CPU. On an older device all but named_barrier
// trap.
//
// Source: PTX ISA 8.5, sections "mbarrier", "cp.async.bulk.tensor" and "Async proxy".
#pragma once

#include "kernels/cuda/ptx.cuh"
#include "kernels/cuda/tensor_map.h"

#ifdef GRAFT_SIM
#include "kernels/cuda/sim/ptx_sm90_twins.h"
#endif

#if defined(GRAFT_SIM) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
#define GRAFT_HAS_SM90 1
#else
#define GRAFT_HAS_SM90 0
#endif

namespace graft::kernels::cuda::ptx {

// An mbarrier: 8 bytes of shared memory that count arrivals and bytes. Its phases have the parities 0, 1, 0,
// ...; a phase ends when all arrivals have come and all bytes that were announced have landed. One thread
// makes it, then a
// __syncthreads tells the others.
__device__ __forceinline__ void mbarrier_init(uint64_t* barrier, unsigned arrivals) {
#if defined(GRAFT_SIM)
  sim::mbarrier_init(barrier, arrivals);
#elif GRAFT_HAS_SM90
  asm volatile(
      "mbarrier.init.shared::cta.b64 [%0], %1;\n\t"
      "fence.mbarrier_init.release.cluster;" ::"r"(shared_address(barrier)),
      "r"(arrivals)
      : "memory");
#else
  __trap();
#endif
}

__device__ __forceinline__ void mbarrier_arrive(uint64_t* barrier GRAFT_AND_SITE) {
#if defined(GRAFT_SIM)
  sim::mbarrier_arrive(barrier, 0, {file, line});
#elif GRAFT_HAS_SM90
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
#else
  __trap();
#endif
}

// Announces `bytes` that are to land in this phase, and arrives.
__device__ __forceinline__ void mbarrier_arrive_expect(uint64_t* barrier, unsigned bytes GRAFT_AND_SITE) {
#if defined(GRAFT_SIM)
  sim::mbarrier_arrive(barrier, bytes, {file, line});
#elif GRAFT_HAS_SM90
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
#else
  __trap();
#endif
}

// Returns when the phase of this parity has ended: at once where the barrier is already in the next one.
__device__ __forceinline__ void mbarrier_wait(uint64_t* barrier, unsigned parity GRAFT_AND_SITE) {
#if defined(GRAFT_SIM)
  sim::mbarrier_wait(barrier, parity, {file, line});
#elif GRAFT_HAS_SM90
  asm volatile(
      "{\n\t"
      ".reg .pred done;\n\t"
      "again:\n\t"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n\t"
      "@!done bra again;\n\t"
      "}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
#else
  __trap();
#endif
}

// What this thread wrote to shared memory can from here on be read by asynchronous units (TMA stores, wgmma),
// after the usual barrier. Without it they may see the old bytes.
__device__ __forceinline__ void fence_proxy_async(GRAFT_SITE) {
#if defined(GRAFT_SIM)
  sim::fence_proxy_async({file, line});
#elif GRAFT_HAS_SM90
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  __trap();
#endif
}

// One thread starts the copy of the map's box at column x, row y of its matrix z into shared memory, aligned
// to 128 (1024 with Swizzle::b128). Elements outside of the matrix become 0. The bytes of the whole box land
// in the current phase of `barrier`, which must have been told to expect them.
__device__ __forceinline__ void tma_load(void* shared, const TensorMap& map, int x, int y, uint64_t* barrier,
                                         int z = 0) {
#if defined(GRAFT_SIM)
  sim::tma_load(shared, map, x, y, z, barrier);
#elif GRAFT_HAS_SM90
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], "
      "[%5];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(x), "r"(y), "r"(z), "r"(shared_address(barrier))
      : "memory");
#else
  __trap();
#endif
}

// A barrier of `threads` of the block's threads, a multiple of 32, that name the same id, 1 to 15. 0 is
// __syncthreads.
__device__ __forceinline__ void named_barrier(int id, int threads GRAFT_AND_SITE) {
#ifdef GRAFT_SIM
  sim::named_barrier(id, threads, {file, line});
#else
  asm volatile("barrier.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#endif
}

}  // namespace graft::kernels::cuda::ptx
