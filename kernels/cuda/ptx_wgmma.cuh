// wgmma: the matrix product of a warpgroup, four warps whose first has a number that is a multiple of 4. Both
// operands are read from shared memory by an asynchronous unit, the sums are in the threads' registers. As in
// ptx.cuh each instruction is one function, which a simulator build carries out on the CPU. Only code for
// sm_90a has them; elsewhere they trap.
//
//   wgmma_fence(sums);                                     what was done with the sums comes first
//   wgmma<128, Major::depth, Major::depth>(sums, a, b, add);
//   wgmma_commit();
//   wgmma_wait<0>(sums);                                   the sums are there, the operands have been read
//
// Source: PTX ISA 8.5, section "Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions".
#pragma once

#include "kernels/cuda/ptx_sm90.cuh"

#ifdef GRAFT_SIM
#include "kernels/cuda/sim/wgmma_twins.h"
#endif

#if defined(GRAFT_SIM) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define GRAFT_HAS_SM90A 1
#else
#define GRAFT_HAS_SM90A 0
#endif

namespace graft::kernels::cuda::ptx {

// A product is c[r, c] = sum over k of a(r, k) b(c, k): each operand is a set of lines, the rows of a and the
// columns of b. In shared memory an operand is made of rows of 128 bytes, 64 elements of bf16, in the order
// that tma_load with Swizzle::b128 leaves, aligned to 1024 bytes:
//   depth   a row for each line, with 64 elements of its depth
//   lines   a row for each k, with that element of 64 lines; the block of the next 64 lines is elsewhere
enum class Major : uint8_t { depth, lines };

// What wgmma is told of an operand. `block_bytes`: for Major::lines, from one block of 64 lines to the next,
// a multiple of 1024.
__device__ __forceinline__ uint64_t matrix_descriptor(const void* tile, unsigned block_bytes = 0) {
#ifdef GRAFT_SIM
  const unsigned at = sim::shared_address(tile);
#else
  const unsigned at = shared_address(tile);
#endif
  // In units of 16 bytes: the address, the way from block to block, that from 8 rows to the next 8. The two
  // highest bits are the swizzle, 1 for that of 128 bytes.
  return uint64_t{(at & 0x3FFFF) >> 4} | uint64_t{block_bytes >> 4} << 16 | uint64_t{1024 >> 4} << 32 |
         uint64_t{1} << 62;
}

// The descriptor for the depth from k on, a multiple of 16; for Major::depth less than 64. The address moves
// and nothing else: the unit exchanges pieces by the address's own bits.
template <Major kMajor>
__device__ __forceinline__ uint64_t from_depth(uint64_t descriptor, int k) {
  return descriptor + static_cast<uint64_t>(kMajor == Major::depth ? k * 2 / 16 : k * 128 / 16);
}

// Before the products of each step: the unit may take the registers.
__device__ __forceinline__ void wgmma_fence(GRAFT_SITE) {
#if defined(GRAFT_SIM)
  sim::wgmma_fence(nullptr, 0, {file, line});
#elif GRAFT_HAS_SM90A
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  __trap();
#endif
}
// The same; and what this thread has done with `sums` up to here is done before the products that follow.
// Needed before the first, and whenever a thread has read or written its sums in between.
template <int kCount>
__device__ __forceinline__ void wgmma_fence(float (&sums)[kCount] GRAFT_AND_SITE) {
#if defined(GRAFT_SIM)
  sim::wgmma_fence(sums, kCount, {file, line});
#else
  GRAFT_UNROLL
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(sums[i])::"memory");
  wgmma_fence();
#endif
}

// This warp's products since the last call are one group.
__device__ __forceinline__ void wgmma_commit(GRAFT_SITE) {
#if defined(GRAFT_SIM)
  sim::wgmma_commit({file, line});
#elif GRAFT_HAS_SM90A
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  __trap();
#endif
}

// Waits until no more than the `kPending` newest groups are under way. The others' operands may then be
// overwritten; their sums may be touched if no product under way adds to them.
template <int kPending>
__device__ __forceinline__ void wgmma_wait(GRAFT_SITE) {
#if defined(GRAFT_SIM)
  sim::wgmma_wait(kPending, {file, line});
#elif GRAFT_HAS_SM90A
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
#else
  __trap();
#endif
}
// The same for sums that are then complete, which the compiler, too, will not read earlier. It must not be
// told so of sums under way: to copy one to another register is to touch it.
template <int kPending, int kCount>
__device__ __forceinline__ void wgmma_wait([[maybe_unused]] float (&sums)[kCount] GRAFT_AND_SITE) {
#if defined(GRAFT_SIM)
  wgmma_wait<kPending>(file, line);
#else
  wgmma_wait<kPending>();
  GRAFT_UNROLL
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(sums[i])::"memory");
#endif
}

// A warpgroup's registers for each of its threads become kCount, a multiple of 8 from 24 to 256: less than it
// had, which others can then take; or more, for which it waits. All kernels begin with the same for all.
template <int kCount>
__device__ __forceinline__ void give_registers() {
  static_assert(kCount % 8 == 0 && kCount >= 24 && kCount <= 256);
#if defined(GRAFT_SIM)
#elif GRAFT_HAS_SM90A
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
#else
  __trap();
#endif
}
template <int kCount>
__device__ __forceinline__ void take_registers() {
  static_assert(kCount % 8 == 0 && kCount >= 24 && kCount <= 256);
#if defined(GRAFT_SIM)
#elif GRAFT_HAS_SM90A
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
#else
  __trap();
#endif
}

// Lists of an asm statement's operands: their numbers in the text, and what they are.
#define GRAFT_TEN(t) \
  "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t "9, "
#define GRAFT_THIRTY(t, u, v) GRAFT_TEN(t) GRAFT_TEN(u) GRAFT_TEN(v)
#define GRAFT_NAMES_32 GRAFT_THIRTY(, 1, 2) "%30, %31"
#define GRAFT_FIRST_60 GRAFT_THIRTY(, 1, 2) GRAFT_THIRTY(3, 4, 5)
#define GRAFT_NEXT_60 GRAFT_THIRTY(6, 7, 8) GRAFT_THIRTY(9, 10, 11)
#define GRAFT_NAMES_64 GRAFT_FIRST_60 "%60, %61, %62, %63"
#define GRAFT_NAMES_128 GRAFT_FIRST_60 GRAFT_NEXT_60 "%120, %121, %122, %123, %124, %125, %126, %127"
#define GRAFT_SUMS_8(i)                                                                      \
  "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3]), "+f"(sums[i + 4]), \
      "+f"(sums[i + 5]), "+f"(sums[i + 6]), "+f"(sums[i + 7])
#define GRAFT_SUMS_32(i) GRAFT_SUMS_8(i), GRAFT_SUMS_8(i + 8), GRAFT_SUMS_8(i + 16), GRAFT_SUMS_8(i + 24)
#define GRAFT_SUMS_64(i) GRAFT_SUMS_32(i), GRAFT_SUMS_32(i + 32)
#define GRAFT_SUMS_128(i) GRAFT_SUMS_64(i), GRAFT_SUMS_64(i + 64)
// The operands after the sums: a, b, whether to add, and whether each lies across the depth.
#define GRAFT_WGMMA(columns, count, a_, b_, add_, across_a, across_b)                                \
  asm volatile(                                                                                      \
      "{\n\t"                                                                                        \
      ".reg .pred add;\n\t"                                                                          \
      "setp.ne.b32 add, %" #add_                                                                     \
      ", 0;\n\t"                                                                                     \
      "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32.bf16.bf16 {" GRAFT_NAMES_##count         \
      "}, %" #a_ ", %" #b_ ", add, 1, 1, %" #across_a ", %" #across_b                                \
      ";\n\t"                                                                                        \
      "}"                                                                                            \
      : GRAFT_SUMS_##count(0)                                                                        \
      : "l"(a), "l"(b), "r"(static_cast<int>(add)), "n"(kA == Major::lines), "n"(kB == Major::lines) \
      : "memory")

// Starts sums = a b^T, or sums += a b^T with `add`, for a of 64 lines and b of kCols, 16 elements deep, bf16.
// Thread t of the warpgroup, lane l of warp w, holds for each 8 columns from 8 j on
//   sums[4 j], sums[4 j + 1]: row 16 w + l / 4, columns 8 j + 2 (l % 4) and the next; and
//   sums[4 j + 2], sums[4 j + 3]: row 16 w + l / 4 + 8, the same columns.
// Operands that threads wrote (st.shared, cp.async) need the writers' fence_proxy_async and then a barrier;
// what tma_load brought needs the mbarrier's phase alone.
template <int kCols, Major kA, Major kB>
__device__ __forceinline__ void wgmma(float (&sums)[kCols / 2], uint64_t a, uint64_t b, bool add) {
  static_assert(kCols == 64 || kCols == 128 || kCols == 256);
#if defined(GRAFT_SIM)
  sim::wgmma(sums, {a, b, kCols, kA == Major::lines, kB == Major::lines, add});
#elif GRAFT_HAS_SM90A
  if constexpr (kCols == 64) {
    GRAFT_WGMMA(64, 32, 32, 33, 34, 35, 36);
  } else if constexpr (kCols == 128) {
    GRAFT_WGMMA(128, 64, 64, 65, 66, 67, 68);
  } else {
    GRAFT_WGMMA(256, 128, 128, 129, 130, 131, 132);
  }
#else
  __trap();
#endif
}

#undef GRAFT_WGMMA
#undef GRAFT_SUMS_128
#undef GRAFT_SUMS_64
#undef GRAFT_SUMS_32
#undef GRAFT_SUMS_8
#undef GRAFT_NAMES_128
#undef GRAFT_NAMES_64
#undef GRAFT_NAMES_32
#undef GRAFT_NEXT_60
#undef GRAFT_FIRST_60
#undef GRAFT_THIRTY
#undef GRAFT_TEN

}  // namespace graft::kernels::cuda::ptx
