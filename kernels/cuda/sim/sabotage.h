// One error put into the kernels as they stand, to see that it is found: where a tool finds the mutants of
// every kernel, its silence about the kernel itself says something. A Survey notes every place of the kernels
// that run where an error could be put; while a Sabotage is alive, one of these places does the wrong thing
// whenever a simulated thread comes to it.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <set>
#include <string>

#include "kernels/cuda/sim/simulator.h"

namespace graft::sim {

enum class Mistake : uint8_t {
  // At a line of a source file:
  no_barrier,   // __syncthreads, __syncwarp or named_barrier is not there; of a vote the answer is each
                // thread's own
  no_fence,     // __threadfence, wgmma_fence or fence_proxy_async is not there
  no_wait,      // cp_async_wait, mbarrier_wait or wgmma_wait is not there
  no_commit,    // cp_async_commit or wgmma_commit is not there
  no_arrival,   // mbarrier_arrive is not there, nor the bytes that it announces
  wrong_phase,  // mbarrier_wait waits for the phase of the other parity
  wrong_lane,   // a shuffle, ballot or ldmatrix takes lane l ^ 1 for lane l
  // In a kernel, by its name and a number:
  lost_store,      // what this thread of each block stores to shared memory does not get there
  repeated_block,  // this block takes itself for the one before
  bound,           // of the sizes among the parameters (sizes.h) this one is too large by one: <= for <
};
std::string to_text(Mistake mistake);

struct Place {
  Mistake mistake;
  std::string where;  // a file's path, or the end of it; a kernel's name
  int number;         // a line, thread, block or size
  friend auto operator<=>(const Place&, const Place&) = default;
};

// Whoever follows the kernels' threads from place to place: at most one at a time.
class Visitor {
 public:
  Visitor();
  virtual ~Visitor();
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  // Whether the thread does the wrong thing here.
  virtual bool comes_to(Mistake mistake, Site site) = 0;
};

class Sabotage : public Visitor {
 public:
  explicit Sabotage(Place place) : place_(std::move(place)) {}
  Sabotage(Mistake mistake, std::string where, int number)
      : Sabotage(Place{mistake, std::move(where), number}) {}

  // How many threads came to the place: a test that expects something of them must see some.
  int64_t strikes() const { return strikes_; }

 private:
  bool comes_to(Mistake mistake, Site site) override;
  Place place_;
  std::atomic<int64_t> strikes_{0};
};

// For kernels that one host thread runs: those that are watched.
class Survey : public Visitor {
 public:
  const std::set<Place>& places() const { return places_; }

 private:
  bool comes_to(Mistake mistake, Site site) override;
  std::set<Place> places_;
};

// For the simulator: whether the thread that is at `site` does it wrongly.
bool is_sabotaged(Mistake mistake, Site site);

}  // namespace graft::sim
