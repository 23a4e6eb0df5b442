// The PTX instructions that graft's kernels use and C++ has no name for, each as one small function. In a
// simulator build the same functions are carried out on the CPU by kernels/cuda/sim/: lane by lane as the PTX
// ISA lays the data out, and asynchronous copies land as late as the program allows.
//
// Source: PTX ISA 8.5, sections "Data Movement and Conversion Instructions" and "Warp Level Matrix
// Instructions".
#pragma once

#include <cstdint>

#include "kernels/cuda/cuda.h"

#ifdef GRAFT_SIM
#include "kernels/cuda/sim/ptx_twins.h"
#endif

namespace graft::kernels::cuda::ptx {

#ifndef GRAFT_SIM
__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}
#endif

// Starts to copy kBytes (4, 8 or 16) from global to shared memory, both aligned to kBytes. Only the first
// `valid` bytes are read, the rest becomes 0: 0 for what lies beyond an edge. Nobody may touch the
// destination before cp_async_wait, and nobody but this thread before a barrier after that.
template <int kBytes>
__device__ __forceinline__ void cp_async(void* shared, const void* global, int valid = kBytes) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
#ifdef GRAFT_SIM
  sim::async_copy(shared, global, kBytes, valid);
#else
  if constexpr (kBytes == 16) {  // .cg: past the first-level cache, which has no use for it
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)), "l"(global),
                 "n"(kBytes), "r"(valid)
                 : "memory");
  }
#endif
}

// This thread's copies since the last call are one group.
__device__ __forceinline__ void cp_async_commit(GRAFT_SITE) {
#ifdef GRAFT_SIM
  sim::async_commit({file, line});
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until no more than the `kPending` newest of this thread's groups are under way.
template <int kPending>
__device__ __forceinline__ void cp_async_wait(GRAFT_SITE) {
#ifdef GRAFT_SIM
  sim::async_wait(kPending, {file, line});
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

// Loads kCount (1, 2 or 4) matrices of 8 x 8 elements of 16 bits from shared memory, for the whole warp.
// Lanes 8 m to 8 m + 7 pass the addresses of the rows of matrix m, each aligned to 16 bytes; the other lanes'
// addresses are not used. Lane l gets of each matrix, in one register, row l / 4, columns 2 (l % 4) and 2 (l
// % 4) + 1; of the transposed matrix with kTransposed.
template <bool kTransposed = false, int kCount>
__device__ __forceinline__ void ldmatrix(uint32_t (&out)[kCount], const void* row GRAFT_AND_SITE) {
  static_assert(kCount == 1 || kCount == 2 || kCount == 4);
#ifdef GRAFT_SIM
  sim::load_matrices(out, kCount, row, kTransposed, {file, line});
#else
  const unsigned at = shared_address(row);
  if constexpr (kCount == 1 && !kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(out[0]) : "r"(at) : "memory");
  } else if constexpr (kCount == 1) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(out[0])
                 : "r"(at)
                 : "memory");
  } else if constexpr (kCount == 2 && !kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(out[0]), "=r"(out[1])
                 : "r"(at)
                 : "memory");
  } else if constexpr (kCount == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(out[0]), "=r"(out[1])
                 : "r"(at)
                 : "memory");
  } else if constexpr (!kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(at)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(at)
                 : "memory");
  }
#endif
}

// c += a b for a [16, 16] times b [16, 8], elements T (__nv_bfloat16 or __half), two to a register, sums in
// float. With g = lane / 4 and t = lane % 4 a lane holds
//   a: rows g, g + 8, g, g + 8 at columns 2 t, 2 t, 2 t + 8, 2 t + 8 (and the next)
//   b: rows 2 t and 2 t + 8 (and the next) of column g
//   c: row g, columns 2 t and 2 t + 1; row g + 8, the same columns
template <class T>
__device__ __forceinline__ void mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  static_assert(std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, __half>);
#ifdef GRAFT_SIM
  sim::multiply_m16n8k16(c, a, b, std::is_same_v<T, __nv_bfloat16> ? sim::Half::bf16 : sim::Half::f16);
#else
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
#endif
}

// The float rounded to TF32, 10 bits of fraction, ties away from 0, in the bits of a float.
__device__ __forceinline__ uint32_t to_tf32(float value) {
#ifdef GRAFT_SIM
  return sim::to_tf32(value);
#else
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#endif
}

// c += a b for a [16, 8] times b [8, 8] in TF32; the low 13 bits of an element are not looked at. A lane
// holds
//   a: rows g, g + 8, g, g + 8 at columns t, t, t + 4, t + 4
//   b: rows t and t + 4 of column g
//   c: as in mma_m16n8k16
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&c)[4], const uint32_t (&a)[4],
                                                 const uint32_t (&b)[2]) {
#ifdef GRAFT_SIM
  sim::multiply_m16n8k8_tf32(c, a, b);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

}  // namespace graft::kernels::cuda::ptx
