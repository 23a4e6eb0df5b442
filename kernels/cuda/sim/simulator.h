// Runs a CUDA kernel on the CPU: one fiber per CUDA thread, warps of 32, real barriers, votes and shuffles.
// A block runs wholly on one host thread; blocks are spread over parallel_for. Blocks may not wait for each
// other (as on a GPU that runs one at a time).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "kernels/cuda/sim/types.h"

namespace graft::sim {

// The order in which a block's threads get to run. A correct kernel gives the same bits under every one.
struct Schedule {
  enum class Order : uint8_t { forward, reversed, random };
  Order order = Order::forward;
  uint64_t seed = 0;  // of random, in which one warp also runs ahead of all others as far as barriers allow
};
// What GRAFT_SIM_SCHEDULE says: forward (also when unset), reversed, random or random:SEED. set_schedule
// overrides it.
Schedule schedule();
void set_schedule(Schedule schedule);
std::string to_text(Schedule schedule);

namespace detail {
struct Body {
  const void* object;
  void (*call)(const void*);
};
void run(const char* name, dim3 grid, dim3 block, size_t shared_bytes, Body body);
}  // namespace detail

// Calls body() once for each simulated thread of `grid` x `block`, with `shared_bytes` of dynamic shared
// memory. `name` is the kernel's, for errors. Throws Error for a launch that a GPU refuses (a block of 0 or
// more than 1024 threads, too much shared memory), DeviceError for barriers that never complete, and what
// body() throws; then the other threads are abandoned where they stand.
template <class F>
void run(const char* name, dim3 grid, dim3 block, size_t shared_bytes, const F& body) {
  detail::run(name, grid, block, shared_bytes,
              {std::addressof(body), [](const void* f) { (*static_cast<const F*>(f))(); }});
}

// Where in the source a simulated thread called something: the default argument of each builtin that waits.
struct Site {
  const char* file;
  int line;
};
// In a list of parameters, as the last: the line of the caller, as Site{file, line}.
#define GRAFT_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

// What the builtins of cuda_api.h stand on. All are called by simulated threads.
[[gnu::const]] uint3 thread_index();
[[gnu::const]] uint3 block_index();
[[gnu::const]] uint3 block_size();
[[gnu::const]] uint3 grid_size();
[[gnu::const]] unsigned lane();

enum class Vote : uint8_t { none, count, all, any };
// All threads of the block meet; with a vote, the answer.
int block_barrier(Vote vote, int predicate, Site site);

// The threads of a warp that `mask` names meet. Every lane passes the mask, a `kind` that must be the same,
// and its own slot; the last to arrive calls complete(mask, slots) for all; then all go on. `ordered` says
// whether the meeting also orders memory accesses: __syncwarp does, a shuffle does not.
using Complete = void (*)(uint32_t mask, void* const slots[32]);
void meet(uint32_t mask, Complete complete, void* slot, bool ordered, Site site);

}  // namespace graft::sim
