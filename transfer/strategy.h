// The strategies, as rules over a network's names.
#pragma once

#include "nn/models/headed.h"
#include "transfer/recipe.h"
#include "transfer/rules.h"

namespace graft::transfer {

// head: all frozen but the head. partial:N: the last N stages train too, at the recipe's body_lr_scale. full:
// everything trains, the body at that scale. scratch: everything at the full rate. Statistics of batch norms
// are frozen where the recipe says freeze_bn, but for scratch. Throws UsageError for more stages than the
// network has.
std::vector<Rule> rules_of(const Strategy& strategy, nn::Headed& network, const Recipe& recipe);

}  // namespace graft::transfer
