// Work that is done again and again, with another request for memory refused each time.
#pragma once

#include <functional>
#include <string>

#include "tests/scarce/heap.h"

namespace graft::test {

struct Scenario {
  std::string name;
  std::function<void()> work;
  // Empty where what `work` made, to its end, is right; else what is wrong. Asked too where a request was
  // refused and the work found another way.
  std::function<std::string()> done;
  // The same of what is there when it was given up; may be empty.
  std::function<std::string()> given_up = {};
  // Before each attempt: what an earlier one left is taken away. May be empty.
  std::function<void()> anew = {};
  // Runs with a MemoryReserve, as the program does: what has to do with JSON, whose destructors need memory.
  bool reserve = false;
};

// Refuses each request up to the `dense`-th, then one in so many that about as many again are spread over the
// rest; all, where `dense` is negative. Checks of every attempt: MemoryError or std::bad_alloc and nothing
// else, no block and no tensor held that was not held before, and what the scenario says.
void sweep(const Scenario& scenario, int64_t dense);

}  // namespace graft::test
