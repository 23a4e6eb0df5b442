// Mutants of kernels as they stand, for tests of one kernel family each (kernels/cuda/sim/sabotage.h).
#pragma once

#include <cstdlib>
#include <fstream>

#include "kernels/cuda/sim/sabotage.h"
#include "kernels/cuda/sim/watch.h"
#include "tests/support.h"

namespace graft::test {

// While it lives kernels are held to a compute capability: "80".
struct AtCapability {
  explicit AtCapability(const char* capability) { setenv("GRAFT_CAPABILITY", capability, 1); }
  ~AtCapability() { unsetenv("GRAFT_CAPABILITY"); }
};

// The lines of a source file that hold `text`.
inline std::vector<int> lines_with(const std::string& file, const std::string& text) {
  std::ifstream in(source_dir() + "/" + file);
  REQUIRE_MESSAGE(in.good(), "cannot read " << file);
  std::vector<int> lines;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.find(text) != std::string::npos) lines.push_back(number);
  }
  REQUIRE_FALSE(lines.empty());
  return lines;
}

inline void under_every_schedule(const std::function<void()>& f) {
  using Order = sim::Schedule::Order;
  for (auto schedule :
       {sim::Schedule{Order::forward}, sim::Schedule{Order::reversed}, sim::Schedule{Order::random, 7}}) {
    INFO("schedule " << to_text(schedule));
    sim::set_schedule(schedule);
    f();
  }
  sim::set_schedule({});
}

// What a Watch says of f's kernels, or the error that stops them.
inline std::string said_of(const std::function<void()>& f) {
  sim::Watch watch;
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  std::string all;
  for (const std::string& report : watch.reports()) all += report + "\n";
  return all;
}

// Each line of the file that holds `text` matters to f, which is right as it stands.
inline void check_lines(const std::string& file, const char* text, sim::Mistake mistake,
                        const std::function<void()>& f) {
  under_every_schedule([&] {
    CHECK(said_of(f) == "");
    for (int line : lines_with(file, text)) {
      sim::Sabotage sabotage(mistake, file, line);
      CHECK_MESSAGE(said_of(f) != "", file << ":" << line << ": nobody misses this line");
      CHECK(sabotage.strikes() > 0);
    }
  });
}
inline void check_barriers(const std::string& file, const std::function<void()>& f) {
  check_lines(file, "__syncthreads", sim::Mistake::no_barrier, f);
}
inline void check_fences(const std::string& file, const std::function<void()>& f) {
  check_lines(file, "__threadfence", sim::Mistake::no_fence, f);
}

// Each shuffle of the file matters to f's value.
inline void check_lanes(const std::string& file, const std::function<Tensor()>& f) {
  Tensor right = f().to(kCpu);
  for (int line : lines_with(file, "__shfl")) {
    sim::Sabotage sabotage(sim::Mistake::wrong_lane, file, line);
    CHECK_MESSAGE(max_relative_difference(f().to(kCpu), right) > 1e-3, file << ":" << line);
    CHECK(sabotage.strikes() > 0);
  }
}

// A result that is too short for f is told of. By one element: the simulated write happens, and must hit
// nobody.
inline void check_bound(const std::function<void()>& f) {
  under_every_schedule([&] { CHECK(said_of(f).find("of an allocation of") != std::string::npos); });
}

}  // namespace graft::test
