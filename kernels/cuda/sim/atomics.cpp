#include "kernels/cuda/sim/atomics.h"

#include <algorithm>
#include <atomic>

#include "kernels/cuda/sim/collectives.h"
#include "kernels/cuda/sim/recorder.h"
#include "kernels/cuda/sim/sanitizers.h"

using graft::sim::Kind;
using graft::sim::note_access;

namespace {

// Replaces *p by f(*p) in one step; returns what was there.
template <class T, class F>
T update(T* p, F&& f) {
  if constexpr (graft::sim::kThreadSanitizer) graft::sim::order_at_atomic(p);
  std::atomic_ref<T> cell(*p);
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, f(old), std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace

#define GRAFT_SIM_ATOMIC(name, T, result)                                 \
  T name(T* p, T value) {                                                 \
    note_access(p, sizeof(T), Kind::atomic, __builtin_return_address(0)); \
    return update(p, [=](T old) { return static_cast<T>(result); });      \
  }
#define GRAFT_SIM_INTEGER_ATOMICS(T)                                        \
  GRAFT_SIM_ATOMIC(atomicAdd, T, old + value)                               \
  GRAFT_SIM_ATOMIC(atomicSub, T, old - value)                               \
  GRAFT_SIM_ATOMIC(atomicMax, T, std::max(old, value))                      \
  GRAFT_SIM_ATOMIC(atomicMin, T, std::min(old, value))                      \
  GRAFT_SIM_ATOMIC(atomicAnd, T, old& value)                                \
  GRAFT_SIM_ATOMIC(atomicOr, T, old | value)                                \
  GRAFT_SIM_ATOMIC(atomicXor, T, old ^ value)                               \
  GRAFT_SIM_ATOMIC(atomicExch, T, (void(old), value))                       \
  T atomicCAS(T* p, T expected, T value) {                                  \
    note_access(p, sizeof(T), Kind::atomic, __builtin_return_address(0));   \
    return update(p, [=](T old) { return old == expected ? value : old; }); \
  }

GRAFT_SIM_INTEGER_ATOMICS(int)
GRAFT_SIM_INTEGER_ATOMICS(unsigned)
GRAFT_SIM_INTEGER_ATOMICS(unsigned long long)
GRAFT_SIM_ATOMIC(atomicAdd, float, old + value)
GRAFT_SIM_ATOMIC(atomicExch, float, (void(old), value))
GRAFT_SIM_ATOMIC(atomicAdd, double, old + value)

unsigned atomicInc(unsigned* p, unsigned bound) {
  note_access(p, sizeof(unsigned), Kind::atomic, __builtin_return_address(0));
  return update(p, [=](unsigned old) { return old >= bound ? 0 : old + 1; });
}
