// A block's shared memory, spelled the same for the GPU and for the simulator:
//
//   struct Tiles { float a[32][33]; float b[32][33]; };
//   Tiles& tiles = shared<Tiles>();        // static; all of a kernel together at most 48 KiB
//   float* rows = dynamic_shared<float>();  // as many bytes as the launch asked for, aligned to 128
//
// Uninitialised: T's constructors do not run. The type names the memory: two calls of shared<Tiles>() in one
// kernel are the same bytes, whatever function they stand in.
#pragma once

#include <type_traits>

#include "kernels/cuda/cuda.h"

#ifdef GRAFT_SIM
#include "kernels/cuda/sim/arena.h"
#endif

namespace graft::kernels::cuda {

inline constexpr int kSharedAlignment = 128;

template <class T>
__device__ __forceinline__ T& shared() {
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= kSharedAlignment);
  static_assert(sizeof(T) <= 48 * 1024, "static shared memory ends at 48 KiB; use dynamic_shared");
#ifdef GRAFT_SIM
  return *static_cast<T*>(sim::static_shared(&sim::type_tag<T>, sizeof(T)));
#else
  __shared__ __align__(alignof(T) < 16 ? 16 : alignof(T)) unsigned char storage[sizeof(T)];
  return *reinterpret_cast<T*>(storage);
#endif
}

#ifndef GRAFT_SIM
extern __shared__ __align__(128) unsigned char dynamic_shared_bytes[];
#endif

template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  static_assert(alignof(T) <= kSharedAlignment);
#ifdef GRAFT_SIM
  return static_cast<T*>(sim::dynamic_shared());
#else
  return reinterpret_cast<T*>(dynamic_shared_bytes);
#endif
}

}  // namespace graft::kernels::cuda
