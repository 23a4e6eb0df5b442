// One error put into the kernels as they stand, to see that it is found: where a tool finds the mutants of
// every kernel, its silence about the kernel itself says something. While a Sabotage is alive, one line of a
// source file does the wrong thing whenever a simulated thread comes to it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cuda/sim/simulator.h"

namespace graft::sim {

class Sabotage {
 public:
  enum class Kind : uint8_t {
    no_barrier,  // the line's __syncthreads or __syncwarp is not there; of a vote the answer is each thread's
                 // own
    no_fence,    // the line's __threadfence is not there
    wrong_lane,  // the line's shuffle reads the neighbour of the lane that it names
  };
  // The line of a file whose path ends with `file`. At most one at a time.
  Sabotage(Kind kind, std::string file, int line);
  ~Sabotage();
  Sabotage(const Sabotage&) = delete;
  Sabotage& operator=(const Sabotage&) = delete;

  // How many threads came to the line: a test that expects something of them must see some.
  int64_t strikes() const { return strikes_; }

 private:
  friend bool is_sabotaged(Kind kind, Site site);
  Kind kind_;
  std::string file_;
  int line_;
  std::atomic<int64_t> strikes_{0};
};

// For the simulator: whether the thread that is at `site` does it wrongly.
bool is_sabotaged(Sabotage::Kind kind, Site site);

}  // namespace graft::sim
