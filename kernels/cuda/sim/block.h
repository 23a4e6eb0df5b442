// One block in the making: its threads, warps and where each of them waits. Internal to the simulator.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "kernels/cuda/sim/arena.h"
#include "kernels/cuda/sim/fiber.h"
#include "kernels/cuda/sim/mbarrier.h"
#include "kernels/cuda/sim/simulator.h"
#include "kernels/cuda/sim/wgmma.h"

namespace graft::sim {

inline constexpr int kWarpSize = 32;
inline constexpr int kMaxThreads = 1024;

struct Launch {
  const char* name;
  dim3 grid, block;
  size_t shared_bytes;
  detail::Body body;
  Schedule schedule;
  char finished = 0;  // ThreadSanitizer's tag
};

struct Block;

// A cp.async that has not landed.
struct AsyncCopy {
  void* shared;
  const void* global;
  const void* code;
  int bytes, valid;
  int group;
};

struct alignas(64) Thread {
  enum class State : uint8_t { runnable, at_barrier, at_named, at_mbarrier, in_warp, done };

  Fiber fiber;          // what a switch touches comes first
  uint16_t number = 0;  // within the block: x + size.x * (y + size.y * z)
  uint8_t warp = 0, lane = 0;
  State state = State::done;
  uint32_t barriers = 0;  // passed so far

  // While it waits in a warp.
  uint32_t mask = 0;
  Complete complete = nullptr;
  void* slot = nullptr;

  Site site{};  // of the wait
  Block* block = nullptr;
  uint3 index{};
  std::vector<AsyncCopy> copies;  // the oldest first
  int copy_group = 0;             // that the next copy belongs to
  char* met = nullptr;            // ThreadSanitizer's tag of the latest ordered meeting
  uint32_t meetings = 0;
  // For ThreadSanitizer, which knows no fences: whether this thread has made one in this block, and where its
  // latest atomic was.
  bool fenced = false;
  void* atomic = nullptr;
};

struct Warp {
  uint32_t exists = 0;    // lanes that the launch gives this warp
  uint32_t runnable = 0;  // may be switched to; the running thread is among them
  uint32_t in_warp = 0;   // wait for others of the warp
  uint32_t done = 0;
};

// The host thread's simulated block. Threads switch to each other directly; `host` gets control back when
// none can run.
struct Block {
  Block();
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void run(Launch& launch, uint64_t block_number);

  // For the running thread: it waits, and somebody else goes on.
  void wait(Thread::State state, Site site);
  // For the running thread, where it cannot throw: it does not come back, and the launch throws `why`.
  void stop(std::exception_ptr why);
  // For the running thread: it could go on, but the schedule says who does.
  void go_on();
  void make_runnable(int warp, uint32_t lanes);
  Thread& at(int warp, int lane) { return threads[warp * kWarpSize + lane]; }
  uint3 index_of(uint64_t block_number) const;
  std::string where() const;  // "kernel softmax, block (0, 1, 0)"
  [[noreturn]] void fail_here(const std::string& what);

  Launch* launch = nullptr;
  uint3 index{};
  uint64_t number = 0;
  int count = 0;  // threads
  int warp_count = 0;
  uint32_t runnable_warps = 0;
  int done = 0;

  int arrived = 0;
  Site barrier_site{};
  int vote_sum = 0, vote_result = 0;

  Thread threads[kMaxThreads];
  Warp warps[kMaxThreads / kWarpSize];
  Arena arena;
  Mbarriers mbarriers;
  NamedBarrier named[16];
  Products products;
  std::exception_ptr error;

 private:
  void prepare_threads();
  Thread* next();
  [[noreturn]] static void thread_main();
  void abandon();
  std::string stuck() const;

  Fiber host;
  char* stacks = nullptr;
  int stacks_ready = 0;
  uint64_t random = 0;
  uint32_t ahead = 0;  // the warp that random runs first
};

// The running thread of this host thread; null outside of kernels.
Thread* current_thread();
// The same, and an error that names `what` where there is none.
Thread& require_thread(const char* what);

std::string to_text(uint3 index);       // "(1, 0, 0)"
std::string to_text(const Site& site);  // "kernels/cuda/softmax.cu:41"

}  // namespace graft::sim
