#include "transfer/schedule.h"

#include <cmath>
#include <numbers>

namespace graft::transfer {

double rate_factor(const Recipe& recipe, int64_t step, int64_t steps_per_epoch) {
  double warmup = recipe.warmup_epochs * static_cast<double>(steps_per_epoch);
  double all = static_cast<double>(recipe.epochs) * static_cast<double>(steps_per_epoch);
  double at = static_cast<double>(step);
  if (at + 1 < warmup) return (at + 1) / warmup;
  if (!recipe.cosine || all <= warmup) return 1;
  return 0.5 * (1 + std::cos(std::numbers::pi * (at - warmup + (warmup > 0)) / (all - warmup + 1)));
}

}  // namespace graft::transfer
