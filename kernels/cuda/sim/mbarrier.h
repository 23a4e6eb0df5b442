// The mbarriers of one simulated block, the tile copies that are to land in their phases, and its named
// barriers. Internal to the simulator.
#pragma once

#include <cstdint>

#include "kernels/cuda/sim/shadow.h"
#include "kernels/cuda/tensor_map.h"

namespace graft::sim {

struct Block;

class Mbarriers {
 public:
  void begin_block() { count_ = copy_count_ = 0; }
  void init(Block& block, uint64_t* barrier, unsigned arrivals);
  void arrive(Block& block, uint64_t* barrier, unsigned expected_bytes);
  void wait(Block& block, uint64_t* barrier, unsigned parity);
  void start_copy(Block& block, void* shared, const kernels::cuda::TensorMap& map, int x, int y, int z,
                  uint64_t* barrier, const void* code);
  // Lands the oldest copy under way; false where there is none. The simulator calls it when no thread can go
  // on: no copy is there before somebody cannot do without it.
  bool land_one(Block& block);

 private:
  struct State {
    uint64_t* barrier = nullptr;
    unsigned arrivals = 0, missing = 0;  // of a phase; still to come in this one
    int64_t bytes = 0;    // announced and not landed; below 0 where they landed before they were announced
    unsigned parity = 0;  // of this phase
    uint32_t waiting[32] = {};  // lanes of each warp
    Access init{};              // for a Watch: when it was made
  };
  struct Copy {
    char* shared = nullptr;
    kernels::cuda::TensorMap map{};
    int x = 0, y = 0, z = 0;
    uint64_t* barrier = nullptr;
    const void* code = nullptr;
    uint16_t thread = 0;
  };
  // For the running thread, which must know that the barrier was made.
  State& used(Block& block, const uint64_t* barrier);
  State& state(Block& block, const uint64_t* barrier);
  void end_phase_if_complete(Block& block, State& state);

  // Nothing here grows: ThreadSanitizer would take a new and delete of the simulator for the kernel's own.
  static constexpr int kMost = 64;
  State states_[kMost];
  int count_ = 0;
  Copy copies_[kMost];  // a ring
  int first_copy_ = 0, copy_count_ = 0;
};

// One of the barriers 1 to 15.
struct NamedBarrier {
  int expected = 0;
  int arrived = 0;
  uint32_t lanes[32] = {};  // that have arrived, of each warp
  uint32_t passed = 0;
};

}  // namespace graft::sim
