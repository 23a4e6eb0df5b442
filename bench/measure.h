// Measuring contenders side by side: in turn, in one run, each from a cold cache, on one thread.
#pragma once

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace graft::bench {

// Seconds of processor time that this thread has used: another process on the core does not count.
inline double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Writes over more than an L2 cache of memory, so that no contender finds its inputs there.
inline void clear_cache() {
  static std::vector<float> other(4 << 20 >> 2);
  for (float& v : other) v += 1;
}

struct Contender {
  std::string name;
  std::function<void()> run;
};

struct Timing {
  double median = 0;  // seconds
  double spread = 0;  // (90th - 10th percentile) / median
};

// Of at least one measurement.
inline Timing timing_of(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  size_t n = seconds.size();
  double median = seconds[n / 2];
  return {median, (seconds[n * 9 / 10] - seconds[n / 10]) / median};
}

// One timing per contender. Each runs once before the clock starts; then all take turns `repeats` times.
inline std::vector<Timing> measure(const std::vector<Contender>& contenders, int repeats) {
  std::vector<std::vector<double>> seconds(contenders.size());
  for (const Contender& c : contenders) c.run();
  for (int r = 0; r < repeats; ++r) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      clear_cache();
      double start = thread_seconds();
      contenders[i].run();
      seconds[i].push_back(thread_seconds() - start);
    }
  }
  std::vector<Timing> timings;
  for (auto& s : seconds) timings.push_back(timing_of(std::move(s)));
  return timings;
}

}  // namespace graft::bench
