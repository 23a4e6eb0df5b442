// Learning rate schedules: the factor on the peak rate at step 0 <= step < total.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace graft::nn {

using Schedule = std::function<double(int64_t step, int64_t total)>;

// 1 throughout.
Schedule constant_schedule();

// Rises in a line over the first `warmup` (a share of the total, 0 to 1; the first step has the factor 1 /
// (steps of warm-up + 1)), then falls along half a cosine (Loshchilov and Hutter, "SGDR", 2017) towards
// `floor`, which the step after the last would reach.
Schedule cosine_schedule(double warmup = 0, double floor = 0);

// Rises as cosine_schedule, then falls in a line towards 0, which the step after the last would reach.
// PyTorch programs that start at a rate of 0 are one step behind in the rise.
Schedule linear_schedule(double warmup = 0);

// Smith and Topin, "Super-convergence" (2018), as PyTorch's OneCycleLR with cosine annealing: from 1 / div up
// to 1 over the first `rise` of the steps, then down to 1 / (div * final_div) at the last step.
Schedule one_cycle_schedule(double rise = 0.3, double div = 25, double final_div = 1e4);

// `gamma` to the power of how many of the `at` (shares of the total, 0 to 1) have passed:
// step_schedule({0.5, 0.75}, 0.1) divides by ten at half and at three quarters.
Schedule step_schedule(std::vector<double> at, double gamma = 0.1);

}  // namespace graft::nn
