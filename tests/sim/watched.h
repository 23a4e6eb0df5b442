// What tests of watched kernels share: memory, and the reports of a kernel under each schedule.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "kernels/cuda/sim/memory.h"
#include "kernels/cuda/sim/simulator.h"
#include "kernels/cuda/sim/watch.h"
#include "tests/support.h"

namespace graft::test {

// n values, all 0, that kernels may touch, aligned as device memory is.
template <class T>
struct Buffer {
  std::unique_ptr<void, decltype(&std::free)> memory;
  std::span<T> values;
  sim::AllowedMemory allowed;
  explicit Buffer(size_t n)
      : memory(std::aligned_alloc(256, (n * sizeof(T) + 255) / 256 * 256), &std::free),
        values(static_cast<T*>(memory.get()), n),
        allowed(memory.get(), n * sizeof(T)) {
    std::fill(values.begin(), values.end(), T{});
  }
  T* data() { return values.data(); }
};

// The reports of a kernel under every schedule, or the error that stops it.
template <class Body>
std::vector<std::string> reports_of(dim3 grid, dim3 block, const Body& body, size_t bytes = 1024) {
  std::vector<std::string> all;
  using Order = sim::Schedule::Order;
  for (auto schedule :
       {sim::Schedule{Order::forward}, sim::Schedule{Order::reversed}, sim::Schedule{Order::random, 7}}) {
    sim::set_schedule(schedule);
    sim::Watch watch;
    std::string error;
    try {
      sim::run("kernel", grid, block, bytes, body);
    } catch (const Error& e) {
      error = e.what();
    }
    all.push_back(error);
    for (const std::string& report : watch.reports()) all.back() += report + "\n";
  }
  sim::set_schedule({});
  return all;
}

inline void check_caught(const std::vector<std::string>& reports, const std::string& part,
                         int line = __builtin_LINE()) {
  CAPTURE(line);
  for (const std::string& text : reports) {
    CHECK_MESSAGE(text.find(part) != std::string::npos, "\"" << text << "\" lacks \"" << part << "\"");
  }
}

inline void check_silent(const std::vector<std::string>& reports) {
  for (const std::string& text : reports) CHECK_MESSAGE(text.empty(), text);
}

}  // namespace graft::test
