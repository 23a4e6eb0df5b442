#include "nn/optim/schedule.h"

#include <cmath>

#include "core/error.h"

namespace graft::nn {
namespace {

constexpr double kPi = 3.141592653589793;

// From 1 at t = 0 to 0 at t = 1.
double half_cosine(double t) {
  return (1 + std::cos(kPi * t)) / 2;
}

double between(double from, double to, double t) {
  return to + (from - to) * half_cosine(t);
}

void check_share(const char* what, double share) {
  GRAFT_CHECK_AS(UsageError, share >= 0 && share <= 1, "schedule: ", what, " ", share,
                 " is not between 0 and 1");
}

}  // namespace

Schedule constant_schedule() {
  return [](int64_t, int64_t) { return 1.0; };
}

Schedule cosine_schedule(double warmup, double floor) {
  check_share("warm-up", warmup);
  check_share("floor", floor);
  return [=](int64_t step, int64_t total) {
    int64_t rising = std::llround(warmup * static_cast<double>(total));
    if (step < rising) return static_cast<double>(step + 1) / static_cast<double>(rising + 1);
    return between(1, floor, static_cast<double>(step - rising) / static_cast<double>(total - rising));
  };
}

Schedule linear_schedule(double warmup) {
  check_share("warm-up", warmup);
  return [=](int64_t step, int64_t total) {
    int64_t rising = std::llround(warmup * static_cast<double>(total));
    if (step < rising) return static_cast<double>(step + 1) / static_cast<double>(rising + 1);
    return static_cast<double>(total - step) / static_cast<double>(total - rising);
  };
}

Schedule one_cycle_schedule(double rise, double div, double final_div) {
  check_share("rise", rise);
  GRAFT_CHECK_AS(UsageError, div >= 1 && final_div >= 1, "schedule: the divisors ", div, " and ", final_div,
                 " must be at least 1");
  return [=](int64_t step, int64_t total) {
    double at = static_cast<double>(step), last = static_cast<double>(total - 1);
    double peak = rise * static_cast<double>(total) - 1;
    if (at < peak) return between(1 / div, 1, at / peak);
    if (last <= peak) return 1.0;
    return between(1, 1 / (div * final_div), (at - peak) / (last - peak));
  };
}

Schedule step_schedule(std::vector<double> at, double gamma) {
  for (double share : at) check_share("step", share);
  return [at = std::move(at), gamma](int64_t step, int64_t total) {
    double factor = 1;
    for (double share : at) {
      if (static_cast<double>(step) >= share * static_cast<double>(total)) factor *= gamma;
    }
    return factor;
  };
}

}  // namespace graft::nn
