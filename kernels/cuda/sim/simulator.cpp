#include "kernels/cuda/sim/simulator.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "core/env.h"
#include "core/error.h"
#include "core/parallel.h"
#include "kernels/cuda/sim/block.h"
#include "kernels/cuda/sim/math.h"
#include "kernels/cuda/sim/recorder.h"
#include "kernels/cuda/sim/sabotage.h"
#include "kernels/cuda/sim/sanitizers.h"

namespace graft::sim {
namespace {

std::optional<Schedule> chosen;

Block& block_of_this_host_thread() {
  thread_local std::unique_ptr<Block> block;
  if (!block) block = std::make_unique<Block>();
  return *block;
}

void check_launch(const Launch& launch) {
  const dim3 &grid = launch.grid, &block = launch.block;
  uint64_t threads = uint64_t{block.x} * block.y * block.z;
  GRAFT_CHECK(threads >= 1 && threads <= kMaxThreads && block.z <= 64, "kernel ", launch.name,
              ": a block of ", to_text(block), " threads; 1 to 1024, of them 64 in z, are allowed");
  GRAFT_CHECK(grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.x <= 0x7FFFFFFFu && grid.y <= 65535 &&
                  grid.z <= 65535,
              "kernel ", launch.name, ": a grid of ", to_text(grid),
              " blocks; at least 1, and 65535 in y and z, are allowed");
  GRAFT_CHECK(launch.shared_bytes <= kMaxShared, "kernel ", launch.name, ": ", launch.shared_bytes,
              " bytes of dynamic shared memory; a block has ", kMaxShared);
  GRAFT_CHECK(!current_thread(), "kernel ", launch.name, ": launched from inside a kernel");
}

bool same_place(const Site& a, const Site& b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

}  // namespace

Schedule schedule() {
  if (chosen) return *chosen;
  std::string text = env::sim_schedule();
  if (text.empty() || text == "forward") return {};
  if (text == "reversed") return {Schedule::Order::reversed};
  Schedule random{Schedule::Order::random};
  if (text == "random") return random;
  constexpr std::string_view kPrefix = "random:";
  const char* end = text.data() + text.size();
  bool good = text.starts_with(kPrefix) && text.size() > kPrefix.size();
  if (good) {
    auto [stop, failed] = std::from_chars(text.data() + kPrefix.size(), end, random.seed);
    good = failed == std::errc() && stop == end;
  }
  GRAFT_CHECK_AS(UsageError, good, "GRAFT_SIM_SCHEDULE: \"", printable(text),
                 "\" is not forward, reversed, random or random:SEED");
  return random;
}

void set_schedule(Schedule schedule) {
  chosen = schedule;
}

std::string to_text(Schedule schedule) {
  switch (schedule.order) {
    case Schedule::Order::forward: return "forward";
    case Schedule::Order::reversed: return "reversed";
    default: return str("random:", schedule.seed);
  }
}

namespace {

// On this host thread alone, under the eyes of its Watch.
void run_watched(Launch& launch, int64_t blocks, const void* frame) {
  recorder->begin_launch(launch, frame);
  for (int64_t i = 0; i < blocks; ++i) block_of_this_host_thread().run(launch, static_cast<uint64_t>(i));
  recorder->end_launch();
}

}  // namespace

void detail::run(const char* name, dim3 grid, dim3 block, size_t shared_bytes, Body body) {
  Launch launch{name, grid, block, shared_bytes, body, schedule()};
  check_launch(launch);
  int64_t blocks = static_cast<int64_t>(grid.x) * grid.y * grid.z;
  if (recorder) return run_watched(launch, blocks, __builtin_frame_address(0));
  if (kWatchBuilt && env::sim_watch()) {
    Watch watch;
    run_watched(launch, blocks, __builtin_frame_address(0));
    GRAFT_CHECK_AS(DeviceError, watch.reports().empty(), watch.reports().front());
    return;
  }
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) block_of_this_host_thread().run(launch, static_cast<uint64_t>(i));
  });
  acquire(&launch.finished);
}

int block_barrier(Vote vote, int predicate, Site site) {
  Thread& me = require_thread("__syncthreads");
  if (is_sabotaged(Mistake::no_barrier, site)) return predicate != 0;
  Block& block = *me.block;
  if (block.arrived == 0) {
    block.barrier_site = site;
    block.vote_sum = 0;
  } else if (!same_place(site, block.barrier_site)) {
    block.fail_here(str("a divergent barrier: this thread is at ", to_text(site), " while others wait at ",
                        to_text(block.barrier_site)));
  }
  // Two alternating tags: with one, a thread that is already at the next barrier would hide the race of a
  // thread that has not left this one.
  char* tag = block.arena.tag(Arena::kBarrierTags + static_cast<int>(me.barriers++ & 1));
  release(tag);
  block.vote_sum += predicate != 0;
  if (++block.arrived < block.count) {
    block.wait(Thread::State::at_barrier, site);
  } else {
    block.arrived = 0;
    block.vote_result = block.vote_sum;
    if (recorder) recorder->block_met();
    for (int w = 0; w < block.warp_count; ++w) block.make_runnable(w, block.warps[w].exists);
    block.go_on();
  }
  acquire(tag);
  // Nobody can complete the next barrier before this thread has read the answer.
  switch (vote) {
    case Vote::count: return block.vote_result;
    case Vote::all: return block.vote_result == block.count;
    case Vote::any: return block.vote_result != 0;
    case Vote::none: break;
  }
  return 0;
}

void* static_shared(const void* tag, size_t bytes) {
  Block& block = *require_thread("shared").block;
  try {
    return block.arena.static_piece(tag, bytes);
  } catch (const Error& e) {
    block.fail_here(e.what());
  }
}

void* dynamic_shared() {
  Block& block = *require_thread("dynamic_shared").block;
  if (!block.launch->shared_bytes) block.fail_here("dynamic_shared, but the launch asked for 0 bytes of it");
  return block.arena.dynamic_piece();
}

// For ThreadSanitizer: what all lanes released as they came, they find behind one tag of the last of them;
// two that alternate, as for the block's barrier.
static void hand_on_order(Thread& last, uint32_t mask) {
  if (!kThreadSanitizer) return;
  Block& block = *last.block;
  const int own = Arena::kThreadTags + 3 * last.number;
  char* met = block.arena.tag(own + 1 + static_cast<int>(last.meetings++ & 1));
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    Thread& lane = block.at(last.warp, __builtin_ctz(rest));
    acquire(block.arena.tag(Arena::kThreadTags + 3 * lane.number));
    lane.met = met;
  }
  release(met);
}

void meet(uint32_t mask, Complete complete, void* slot, bool ordered, Site site) {
  Thread& me = require_thread("a warp operation");
  Block& block = *me.block;
  Warp& warp = block.warps[me.warp];
  const uint32_t bit = 1u << me.lane;
  mask &= warp.exists;  // a mask of all lanes is right in a warp that the launch did not fill
  if (!(mask & bit)) block.fail_here(str("a warp operation whose mask lacks the caller, at ", to_text(site)));
  if (mask & warp.done) {
    block.fail_here(str("a warp operation whose mask names lanes that have returned, at ", to_text(site)));
  }
  if (ordered) release(block.arena.tag(Arena::kThreadTags + 3 * me.number));
  me.mask = mask;
  me.complete = complete;
  me.slot = slot;
  warp.in_warp |= bit;
  bool all_here = (warp.in_warp & mask) == mask;
  for (uint32_t rest = mask; all_here && rest; rest &= rest - 1) {
    Thread& other = block.at(me.warp, __builtin_ctz(rest));
    all_here = other.mask == mask && other.complete == complete;
  }
  if (!all_here) {
    block.wait(Thread::State::in_warp, site);
  } else {
    void* slots[kWarpSize];  // of the lanes in the mask
    for (int i = 0; i < kWarpSize; ++i) {
      if (!(mask >> i & 1)) continue;
      slots[i] = block.at(me.warp, i).slot;
    }
    complete(mask, slots);
    warp.in_warp &= ~mask;
    if (recorder) recorder->warp_met(me.warp, mask, ordered);
    if (ordered) hand_on_order(me, mask);
    block.make_runnable(me.warp, mask);
    block.go_on();
  }
  if (ordered) acquire(me.met);
}

}  // namespace graft::sim

void __trap() {
  graft::sim::require_thread("__trap").block->fail_here("__trap()");
}
