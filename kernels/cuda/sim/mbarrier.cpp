#include "kernels/cuda/sim/mbarrier.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "kernels/cuda/sim/block.h"
#include "kernels/cuda/sim/ptx_sm90_twins.h"
#include "kernels/cuda/sim/recorder.h"
#include "kernels/cuda/sim/sabotage.h"
#include "kernels/cuda/sim/sanitizers.h"

namespace graft::sim {
namespace {

constexpr Site kMbarrierWait{"mbarrier_wait", 0}, kNamedBarrier{"named_barrier", 0};

Thread& caller(const char* what) {
  return require_thread(what);
}

int64_t box_row_bytes(const kernels::cuda::TensorMap& map) {
  return int64_t{map.box_cols} * map.element_bytes;
}

// Byte `byte` of a row of the box, where the swizzle has put it. Addresses count, not offsets: bits 4 to 6
// are exchanged by bits 7 to 9.
char* place(char* box, const kernels::cuda::TensorMap& map, int row, int64_t byte) {
  char* plain = box + row * box_row_bytes(map) + byte;
  if (map.swizzle == kernels::cuda::Swizzle::none) return plain;
  uintptr_t address = reinterpret_cast<uintptr_t>(plain);
  return reinterpret_cast<char*>(address ^ (address >> 7 & 7) << 4);
}

}  // namespace

void Mbarriers::init(Block& block, uint64_t* barrier, unsigned arrivals) {
  State* at = std::find_if(states_, states_ + count_, [&](const State& s) { return s.barrier == barrier; });
  if (at == states_ + count_ && count_++ == kMost)
    block.fail_here(str("more than ", kMost, " mbarriers in a block"));
  *at = {barrier, arrivals, arrivals};
  if (recorder) at->init = recorder->stamp(caller("mbarrier_init").number);
}

Mbarriers::State& Mbarriers::state(Block& block, const uint64_t* barrier) {
  State* at = std::find_if(states_, states_ + count_, [&](const State& s) { return s.barrier == barrier; });
  if (at == states_ + count_) block.fail_here("an mbarrier that nobody has initialised");
  return *at;
}

Mbarriers::State& Mbarriers::used(Block& block, const uint64_t* barrier) {
  State& s = state(block, barrier);
  if (recorder && !recorder->is_before(s.init, current_thread()->number)) {
    block.fail_here("an mbarrier whose mbarrier_init no barrier puts before its use by this thread");
  }
  return s;
}

void Mbarriers::end_phase_if_complete(Block& block, State& s) {
  if (s.missing != 0 || s.bytes != 0) return;
  s.missing = s.arrivals;
  s.parity ^= 1;
  for (int w = 0; w < block.warp_count; ++w) block.make_runnable(w, std::exchange(s.waiting[w], 0u));
}

void Mbarriers::arrive(Block& block, uint64_t* barrier, unsigned expected_bytes) {
  State& s = used(block, barrier);
  Thread& me = caller("mbarrier_arrive");
  if (recorder) recorder->release_at(me.number, barrier);
  release(barrier);
  s.bytes += expected_bytes;
  --s.missing;
  end_phase_if_complete(block, s);
}

void Mbarriers::wait(Block& block, uint64_t* barrier, unsigned parity) {
  Thread& me = caller("mbarrier_wait");
  State& s = used(block, barrier);
  if (s.parity == (parity & 1)) {
    s.waiting[me.warp] |= 1u << me.lane;
    block.wait(Thread::State::at_mbarrier, kMbarrierWait);
  }
  if (recorder) recorder->acquire_at(me.number, barrier);
  acquire(barrier);
}

void Mbarriers::start_copy(Block& block, void* shared, const kernels::cuda::TensorMap& map, int x, int y,
                           int z, uint64_t* barrier, const void* code) {
  Thread& me = caller("tma_load");
  used(block, barrier);
  const size_t bytes = static_cast<size_t>(box_row_bytes(map) * map.box_rows);
  const bool swizzled = map.swizzle != kernels::cuda::Swizzle::none;
  if (reinterpret_cast<uintptr_t>(shared) % (swizzled ? 1024 : 128)) {
    block.fail_here(str("tma_load: the destination is not aligned to ", swizzled ? 1024 : 128, " bytes"));
  }
  if (!block.arena.piece_of(shared, bytes)) {
    block.fail_here(
        str("tma_load: the box of ", bytes, " bytes does not fit into the shared memory at its destination"));
  }
  if (is_sabotaged(Mistake::lost_store, {block.launch->name, me.number})) return;
  note_access(shared, bytes, Kind::async_write, code);
  if (copy_count_ == kMost) block.fail_here(str("more than ", kMost, " tile copies under way"));
  copies_[(first_copy_ + copy_count_++) % kMost] = {
      static_cast<char*>(shared), map, x, y, z, barrier, code, me.number};
}

bool Mbarriers::land_one(Block& block) {
  if (copy_count_ == 0) return false;
  const Copy copy = copies_[first_copy_];
  first_copy_ = (first_copy_ + 1) % kMost;
  --copy_count_;
  const kernels::cuda::TensorMap& map = copy.map;
  const int64_t row_bytes = box_row_bytes(map), box_bytes = row_bytes * map.box_rows;
  if (recorder)
    recorder->land(copy.thread, copy.shared, static_cast<size_t>(box_bytes), copy.barrier, copy.code);
  UnseenWrites unseen;
  for (int row = 0; row < map.box_rows; ++row) {
    const int64_t y = copy.y + row;
    const bool row_inside = copy.z >= 0 && copy.z < map.count && y >= 0 && y < map.rows;
    const int64_t first = row_inside ? std::clamp<int64_t>(-copy.x, 0, map.box_cols) : 0;
    const int64_t last = row_inside ? std::clamp<int64_t>(map.cols - copy.x, first, map.box_cols) : 0;
    const char* from = static_cast<const char*>(map.data) + copy.z * map.matrix_bytes + y * map.row_bytes +
                       copy.x * int64_t{map.element_bytes};
    const size_t size = static_cast<size_t>(map.element_bytes);
    if (recorder && last > first) {
      recorder->read_by_unit(from + first * map.element_bytes, static_cast<size_t>(last - first) * size,
                             copy.code);
    }
    for (int64_t col = 0; col < map.box_cols; ++col) {
      char* to = place(copy.shared, map, row, col * map.element_bytes);
      if (col >= first && col < last) {
        std::memcpy(to, from + col * map.element_bytes, size);
      } else {
        std::memset(to, 0, size);
      }
    }
  }
  State& s = state(block, copy.barrier);
  s.bytes -= box_bytes;
  end_phase_if_complete(block, s);
  return true;
}

void mbarrier_init(uint64_t* barrier, unsigned arrivals) {
  Block& block = *caller("mbarrier_init").block;
  if (!block.arena.piece_of(barrier, 8)) block.fail_here("mbarrier_init: not in shared memory");
  block.mbarriers.init(block, barrier, arrivals);
}

void mbarrier_arrive(uint64_t* barrier, unsigned expected_bytes, Site site) {
  if (is_sabotaged(Mistake::no_arrival, site)) return;
  Block& block = *caller("mbarrier_arrive").block;
  block.mbarriers.arrive(block, barrier, expected_bytes);
}

void mbarrier_wait(uint64_t* barrier, unsigned parity, Site site) {
  if (is_sabotaged(Mistake::no_wait, site)) return;
  if (is_sabotaged(Mistake::wrong_phase, site)) parity ^= 1;
  Block& block = *caller("mbarrier_wait").block;
  block.mbarriers.wait(block, barrier, parity);
}

void fence_proxy_async(Site site) {
  if (is_sabotaged(Mistake::no_fence, site)) return;
  Thread& me = caller("fence_proxy_async");
  if (recorder) recorder->proxy_fence(me.number);
}

void tma_load(void* shared, const kernels::cuda::TensorMap& map, int x, int y, int z, uint64_t* barrier) {
  Block& block = *caller("tma_load").block;
  block.mbarriers.start_copy(block, shared, map, x, y, z, barrier, __builtin_return_address(0));
}

void named_barrier(int id, int threads, Site site) {
  if (is_sabotaged(Mistake::no_barrier, site)) return;
  Thread& me = caller("named_barrier");
  Block& block = *me.block;
  if (id < 1 || id > 15) block.fail_here(str("named_barrier ", id, ": ids are 1 to 15"));
  if (threads < kWarpSize || threads % kWarpSize || threads > block.count) {
    block.fail_here(
        str("named_barrier ", id, " of ", threads, " threads: multiples of 32, no more than the block has"));
  }
  NamedBarrier& barrier = block.named[id];
  if (barrier.arrived == 0) barrier.expected = threads;
  if (barrier.expected != threads) {
    block.fail_here(
        str("named_barrier ", id, " of ", threads, " threads, where others said ", barrier.expected));
  }
  // Two alternating tags of ThreadSanitizer's, as for __syncthreads.
  char* tag = block.arena.tag(Arena::kNamedTags + 2 * id + static_cast<int>(barrier.passed & 1));
  release(tag);
  barrier.lanes[me.warp] |= 1u << me.lane;
  if (++barrier.arrived < threads) {
    block.wait(Thread::State::at_named, kNamedBarrier);
  } else {
    if (recorder) recorder->named_met(barrier.lanes);
    for (int w = 0; w < block.warp_count; ++w) block.make_runnable(w, std::exchange(barrier.lanes[w], 0u));
    barrier.arrived = 0;
    ++barrier.passed;
    block.go_on();
  }
  acquire(tag);
}

}  // namespace graft::sim
