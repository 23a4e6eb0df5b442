// The learning-rate finder (Smith, "Cyclical learning rates for training neural networks", 2017): train a
// little while the rate grows from step to step, and look where the loss falls fastest.
#pragma once

#include "transfer/train.h"

namespace graft::transfer {

struct FindRateOptions {
  double lowest = 1e-6, highest = 1;
  int steps = 100;
  // Stops early where the smoothed loss is above this many times the lowest so far.
  double diverged = 4;
};

// Trains by the recipe's optimizer, without its schedule, on batches in the order of the epochs; then puts
// back all that moved, statistics and the dropouts' counters included. The suggestion is the rate at which
// the smoothed loss falls most steeply over the rate's logarithm; the first ten points, which are little but
// noise, and the last do not count. Throws Error where the loss is not finite at the lowest rates, or falls
// nowhere; what moved is put back then, too.
FoundRate find_rate(const Task& task, const Plan& plan, const Recipe& recipe, uint64_t seed,
                    const FindRateOptions& options = {}, const OnProgress& on_progress = {});

}  // namespace graft::transfer
