#include "kernels/cuda/sim/collectives.h"

#include <algorithm>
#include <atomic>

#include "core/error.h"
#include "kernels/cuda/sim/block.h"
#include "kernels/cuda/sim/recorder.h"
#include "kernels/cuda/sim/sabotage.h"
#include "kernels/cuda/sim/sanitizers.h"

namespace graft::sim {
namespace {

template <class Slot, class F>
void for_lanes(uint32_t mask, void* const slots[32], F&& f) {
  for (int i = 0; i < kWarpSize; ++i) {
    if (mask >> i & 1) f(i, *static_cast<Slot*>(slots[i]));
  }
}

struct ShuffleSlot {
  uint64_t bits, result;
  int from;
};

// Section "Warp Shuffle Functions" of the CUDA C++ Programming Guide.
int shuffle_source(Shuffle how, int lane, int argument, int width) {
  int first = lane & ~(width - 1), from = lane;
  switch (how) {
    case Shuffle::indexed: return first + (argument & (width - 1));
    case Shuffle::up: from = lane - argument; break;
    case Shuffle::down: from = lane + argument; break;
    case Shuffle::exclusive_or: from = lane ^ argument; break;
  }
  // Below the group only xor reaches, and may: an earlier group can be read, a later one cannot.
  bool reaches = how == Shuffle::exclusive_or ? from < first + width : from >= first && from < first + width;
  return reaches ? from : lane;
}

void complete_shuffle(uint32_t mask, void* const slots[32]) {
  for_lanes<ShuffleSlot>(mask, slots, [&](int, ShuffleSlot& slot) {
    slot.result = static_cast<ShuffleSlot*>(slots[slot.from])->bits;
  });
}

struct BallotSlot {
  int predicate;
  uint32_t result;
};

void complete_ballot(uint32_t mask, void* const slots[32]) {
  uint32_t set = 0;
  for_lanes<BallotSlot>(mask, slots,
                        [&](int i, BallotSlot& slot) { set |= uint32_t{slot.predicate != 0} << i; });
  for_lanes<BallotSlot>(mask, slots, [&](int, BallotSlot& slot) { slot.result = set; });
}

struct MatchSlot {
  uint64_t bits;
  uint32_t result;
};

void complete_match(uint32_t mask, void* const slots[32]) {
  for_lanes<MatchSlot>(mask, slots, [&](int, MatchSlot& slot) {
    slot.result = 0;
    for_lanes<MatchSlot>(
        mask, slots, [&](int i, MatchSlot& other) { slot.result |= uint32_t{other.bits == slot.bits} << i; });
  });
}

struct ReduceSlot {
  uint32_t bits;
  Reduce how;
  bool is_signed;
};

uint32_t combine(uint32_t a, uint32_t b, Reduce how, bool is_signed) {
  bool less = is_signed ? static_cast<int32_t>(a) < static_cast<int32_t>(b) : a < b;
  switch (how) {
    case Reduce::add: return a + b;
    case Reduce::min: return less ? a : b;
    case Reduce::max: return less ? b : a;
    case Reduce::bit_and: return a & b;
    case Reduce::bit_or: return a | b;
    case Reduce::bit_xor: return a ^ b;
  }
  return 0;
}

void complete_reduce(uint32_t mask, void* const slots[32]) {
  uint32_t total = 0;
  bool first = true;
  for_lanes<ReduceSlot>(mask, slots, [&](int, ReduceSlot& slot) {
    total = first ? slot.bits : combine(total, slot.bits, slot.how, slot.is_signed);
    first = false;
  });
  for_lanes<ReduceSlot>(mask, slots, [&](int, ReduceSlot& slot) { slot.bits = total; });
}

void complete_nothing(uint32_t, void* const*) {}

}  // namespace

uint64_t shuffle(uint32_t mask, uint64_t bits, Shuffle how, int argument, int width, Site site) {
  Thread& me = require_thread("__shfl_sync");
  if (is_sabotaged(Mistake::wrong_lane, site)) argument ^= 1;
  ShuffleSlot slot{bits, 0, shuffle_source(how, me.lane, argument, width)};
  if (!(mask & me.block->warps[me.warp].exists & (1u << slot.from))) {
    me.block->fail_here(
        str("a shuffle reads lane ", slot.from, ", which does not take part, at ", to_text(site)));
  }
  meet(mask, complete_shuffle, &slot, false, site);
  return slot.result;
}

uint32_t ballot(uint32_t mask, int predicate, Site site) {
  BallotSlot slot{predicate, 0};
  meet(mask, complete_ballot, &slot, false, site);
  constexpr uint32_t kEven = 0x55555555u;
  if (is_sabotaged(Mistake::wrong_lane, site)) {
    slot.result = (slot.result & kEven) << 1 | (slot.result >> 1 & kEven);
  }
  return slot.result;
}

uint32_t match(uint32_t mask, uint64_t bits, Site site) {
  MatchSlot slot{bits, 0};
  meet(mask, complete_match, &slot, false, site);
  return slot.result;
}

uint32_t reduce(uint32_t mask, uint32_t bits, Reduce how, bool is_signed, Site site) {
  ReduceSlot slot{bits, how, is_signed};
  meet(mask, complete_reduce, &slot, false, site);
  return slot.bits;
}

void warp_barrier(uint32_t mask, Site site) {
  if (is_sabotaged(Mistake::no_barrier, site)) return;
  meet(mask, complete_nothing, nullptr, true, site);
}

uint32_t active_mask() {
  Thread& me = require_thread("__activemask");
  const Warp& warp = me.block->warps[me.warp];
  return warp.exists & ~warp.done;
}

void memory_fence(Site site) {
  if (is_sabotaged(Mistake::no_fence, site)) return;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  Thread* me = current_thread();
  if (!me) return;
  if (recorder) recorder->fence(me->number);
  if (me->atomic) acquire(me->atomic);
  me->fenced = true;
}

void order_at_atomic(void* p) {
  Thread* me = current_thread();
  if (!me) return;
  if (me->fenced) release(p);
  me->atomic = p;
}

}  // namespace graft::sim
