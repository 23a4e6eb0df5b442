// Barriers, votes, shuffles and reductions of CUDA C++. Each remembers its line for the report of a barrier
// that never completes.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cuda/sim/simulator.h"

namespace graft::sim {

enum class Shuffle : uint8_t { indexed, up, down, exclusive_or };
enum class Reduce : uint8_t { add, min, max, bit_and, bit_or, bit_xor };

// `bits` of the lane that `argument` names in this lane's group of `width`, a power of two up to 32; its own
// where there is no such lane. Reading a lane that does not take part is an error: a GPU gives anything.
uint64_t shuffle(uint32_t mask, uint64_t bits, Shuffle how, int argument, int width, Site site);
// The lanes of `mask` whose predicate is not 0.
uint32_t ballot(uint32_t mask, int predicate, Site site);
uint32_t match(uint32_t mask, uint64_t bits, Site site);
uint32_t reduce(uint32_t mask, uint32_t bits, Reduce how, bool is_signed, Site site);
void warp_barrier(uint32_t mask, Site site);
uint32_t active_mask();
void memory_fence(Site site);
// Before an atomic at p, for ThreadSanitizer: after a fence it hands on at p what the thread knows, and the
// thread's next fence takes what others handed on there.
void order_at_atomic(void* p);

template <class T>
T shuffle_value(uint32_t mask, T value, Shuffle how, int argument, int width, Site site) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = shuffle(mask, bits, how, argument, width, site);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace graft::sim

inline void __syncthreads(GRAFT_SITE) {
  graft::sim::block_barrier(graft::sim::Vote::none, 0, {file, line});
}
inline int __syncthreads_count(int predicate, GRAFT_SITE) {
  return graft::sim::block_barrier(graft::sim::Vote::count, predicate, {file, line});
}
inline int __syncthreads_and(int predicate, GRAFT_SITE) {
  return graft::sim::block_barrier(graft::sim::Vote::all, predicate, {file, line});
}
inline int __syncthreads_or(int predicate, GRAFT_SITE) {
  return graft::sim::block_barrier(graft::sim::Vote::any, predicate, {file, line});
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, GRAFT_SITE) {
  graft::sim::warp_barrier(mask, {file, line});
}

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32, GRAFT_SITE) {
  return graft::sim::shuffle_value(mask, value, graft::sim::Shuffle::indexed, from, width, {file, line});
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, GRAFT_SITE) {
  return graft::sim::shuffle_value(mask, value, graft::sim::Shuffle::up, static_cast<int>(delta), width,
                                   {file, line});
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, GRAFT_SITE) {
  return graft::sim::shuffle_value(mask, value, graft::sim::Shuffle::down, static_cast<int>(delta), width,
                                   {file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, GRAFT_SITE) {
  return graft::sim::shuffle_value(mask, value, graft::sim::Shuffle::exclusive_or, lanes, width,
                                   {file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, GRAFT_SITE) {
  return graft::sim::ballot(mask, predicate, {file, line});
}
inline int __any_sync(unsigned mask, int predicate, GRAFT_SITE) {
  return graft::sim::ballot(mask, predicate, {file, line}) != 0;
}
inline int __all_sync(unsigned mask, int predicate, GRAFT_SITE) {
  return graft::sim::ballot(mask, !predicate, {file, line}) == 0;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value, GRAFT_SITE) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return graft::sim::match(mask, bits, {file, line});
}
inline unsigned __activemask() {
  return graft::sim::active_mask();
}

#define GRAFT_SIM_REDUCE(name, how)                                                                         \
  inline unsigned name(unsigned mask, unsigned value, GRAFT_SITE) {                                         \
    return graft::sim::reduce(mask, value, graft::sim::Reduce::how, false, {file, line});                   \
  }                                                                                                         \
  inline int name(unsigned mask, int value, GRAFT_SITE) {                                                   \
    return static_cast<int>(graft::sim::reduce(mask, static_cast<unsigned>(value), graft::sim::Reduce::how, \
                                               true, {file, line}));                                        \
  }
GRAFT_SIM_REDUCE(__reduce_add_sync, add)
GRAFT_SIM_REDUCE(__reduce_min_sync, min)
GRAFT_SIM_REDUCE(__reduce_max_sync, max)
GRAFT_SIM_REDUCE(__reduce_and_sync, bit_and)
GRAFT_SIM_REDUCE(__reduce_or_sync, bit_or)
GRAFT_SIM_REDUCE(__reduce_xor_sync, bit_xor)
#undef GRAFT_SIM_REDUCE

inline void __threadfence(GRAFT_SITE) {
  graft::sim::memory_fence({file, line});
}
inline void __threadfence_block(GRAFT_SITE) {
  graft::sim::memory_fence({file, line});
}
inline void __threadfence_system(GRAFT_SITE) {
  graft::sim::memory_fence({file, line});
}
