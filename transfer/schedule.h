// The learning rate over a run: a linear warm-up, then half a cosine down to zero (Loshchilov and Hutter, "SGDR", 2017).
#pragma once

#include <cstdint>

#include "transfer/recipe.h"

namespace graft::transfer {

// The factor on the learning rate at a step, from 0; `steps_per_epoch` steps an epoch. In (0, 1].
double rate_factor(const Recipe& recipe, int64_t step, int64_t steps_per_epoch);

}  // namespace graft::transfer
