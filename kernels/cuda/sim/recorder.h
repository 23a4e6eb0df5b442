// What a Watch writes into: internal to the simulator. watch.cpp counts, shadow.cpp finds races.
#pragma once

#include <set>

#include "kernels/cuda/sim/block.h"
#include "kernels/cuda/sim/memory.h"
#include "kernels/cuda/sim/requests.h"
#include "kernels/cuda/sim/shadow.h"
#include "kernels/cuda/sim/watch.h"

namespace graft::sim {

class Recorder {
 public:
  // From the simulator.
  void begin_launch(const Launch& launch, const void* frame);
  void begin_block(Block& block);
  void block_met();  // all threads are at the barrier
  void warp_met(int warp, uint32_t mask, bool ordered);
  void end_block();
  void end_launch();
  void fence(int thread) { order_.fence(thread); }
  void proxy_fence(int thread) { order_.proxy_fence(thread); }
  void named_met(const uint32_t (&lanes)[32]);  // of each warp
  void release_at(int thread, const void* object) { order_.release(thread, object); }
  // A thread's present, and whether another's was before it.
  Access stamp(int thread) const { return order_.stamp(thread, Kind::write, 0); }
  bool is_before(const Access& earlier, int thread) const { return order_.before(earlier, stamp(thread)); }
  void acquire_at(int thread, const void* object) { order_.acquire(thread, object); }
  // A tile that `thread` asked for has landed, for those who wait at `barrier`.
  void land(int thread, const void* shared, size_t bytes, const void* barrier, const void* code);
  // A warp's asynchronous unit: it knows what the warp's lanes know; reads shared memory, at its start and
  // when it is waited for; and the lanes know what it has done.
  void unit_begins(int warp);
  void unit_reads(int warp, const void* shared, size_t bytes, Kind kind, const void* code);
  void unit_ends(int warp);
  // The copying unit reads global memory.
  void read_by_unit(const void* from, size_t bytes, const void* code);

  // From the hooks: the running thread touches memory; `code` is the address behind the call.
  void access(uintptr_t address, size_t bytes, Kind kind, uintptr_t code);

  std::map<std::string, KernelRecord> kernels;
  std::vector<std::string> reports;
  bool stops = false;  // at the first

 private:
  void take_back_lost_store();
  bool check_global(const Access& now, uintptr_t address, size_t bytes);
  void stop_where_unmapped(uintptr_t address, size_t bytes);
  void check_readers(const Access& now, uintptr_t address, size_t bytes);
  uintptr_t shared_byte(uintptr_t address) const;
  void report(const Access& now, const std::string& what, uintptr_t other_code = 0);
  void report_race(const Access& now, const char* memory, uintptr_t offset, const Race& race);

  const Launch* launch_ = nullptr;
  Block* block_ = nullptr;
  const void* frame_ = nullptr;  // above it on the host's stack: the kernel's parameters
  Counters counters_;
  Requests requests_;
  Order order_;
  Shadow shared_, global_;
  Allocation last_;  // that an access was in
  struct {
    uintptr_t address = 0;
    std::vector<char> before;
  } lost_;  // a store that a Sabotage prevents: it happens, and is undone before anyone can see it
  std::set<std::pair<uintptr_t, uintptr_t>> reported_;
  int launch_reports_ = 0;
};

// Of this host thread; null where nothing watches.
extern constinit thread_local Recorder* recorder;

// For the simulator's own functions that stand for memory instructions: cp.async, ldmatrix, atomics.
inline void note_access(const void* p, size_t bytes, Kind kind, const void* code) {
  if (recorder) {
    recorder->access(reinterpret_cast<uintptr_t>(p), bytes, kind, reinterpret_cast<uintptr_t>(code));
  }
}

}  // namespace graft::sim
