// Looks at every memory access of the kernels that run while it lives, and says what a GPU's own tools would:
// how many bytes, sectors and bank conflicts, exactly; and races, reads of shared memory that nobody wrote,
// and accesses outside of any allocation. For this the .cu files are compiled with -fsanitize=thread and
// linked to functions of our own (hooks.cpp); under the real sanitizers there is nothing to watch with, and
// kWatchBuilt is false.
//
//   sim::Watch watch;
//   kernels::softmax(x, y);
//   CHECK(watch.reports().empty());
//   CHECK(watch.total().global_load.sectors == 4 * watch.total().global_load.requests);
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace graft::sim {

#if defined(GRAFT_SIM_WATCH)
inline constexpr bool kWatchBuilt = true;
#else
inline constexpr bool kWatchBuilt = false;
#endif

// One direction of traffic. A request is one instruction of one warp: the same access of up to 32 lanes,
// paired by how often each lane has come by since the warp last met.
struct Traffic {
  int64_t bytes = 0;     // that threads asked for, each time they asked
  int64_t requests = 0;  // of warps
  // Global memory: distinct 32-byte sectors, summed over requests; 4 a request are the fewest for a full warp
  // of f32. Shared memory: passes beyond the first that bank conflicts cost, summed over requests.
  int64_t sectors = 0, conflicts = 0;

  Traffic& operator+=(const Traffic& other);
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

struct Counters {
  Traffic global_load, global_store, shared_load, shared_store;
  int64_t bulk_bytes = 0;  // that tma_load read from global memory
  int64_t atomics = 0;     // of threads, on either memory
  int64_t barriers = 0;    // of whole blocks
  int64_t launches = 0;

  Counters& operator+=(const Counters& other);
  friend bool operator==(const Counters&, const Counters&) = default;
};

// One load or store instruction of a kernel.
struct Instruction {
  std::string code;  // function and address
  bool shared = false, store = false;
  int bytes = 0;  // of one thread
  Traffic traffic;
  // Of its first request: each lane's distance in bytes from the lowest address; -1 where the lane took no
  // part.
  std::array<int64_t, 32> first{};
};

struct KernelRecord {
  Counters counters;
  std::vector<Instruction> instructions;
};

class Recorder;

// Kernels that this host thread launches while it lives are watched, and run on this thread alone. One at a
// time.
class Watch {
 public:
  // After the first report the kernel goes on; or it is stopped, before the access that is wrong, and the
  // launch throws the report: for kernels that are known to be wrong and must hit nobody.
  enum class After : bool { go_on, stop };
  explicit Watch(After first_report = After::go_on);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  Counters total() const;
  const std::map<std::string, KernelRecord>& kernels() const;  // by name
  // What is wrong, each pair of instructions once, at most 20 a launch.
  const std::vector<std::string>& reports() const;

 private:
  Recorder* recorder_;
};

}  // namespace graft::sim
