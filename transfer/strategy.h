// The strategies, as rules over a network's names.
#pragma once

#include "nn/models/headed.h"
#include "transfer/adapters.h"
#include "transfer/plan.h"
#include "transfer/recipe.h"
#include "transfer/rules.h"

namespace graft::transfer {

// head: all frozen but the head. partial:N: the last N stages train too, the topmost at the recipe's
// body_lr_scale, each below at layer_decay times the one above. full and gradual: everything trains, the
// stages at those rates. scratch: everything at the full rate. bitfit: the head and all biases; lora and
// adapters: the head and what add_strategy_adapters hung in; all at the full rate. Statistics of batch norms
// are frozen where the recipe says freeze_bn, but for scratch. Throws UsageError for more stages than the
// network has, and for bitfit on a network without biases.
std::vector<Rule> rules_of(const Strategy& strategy, nn::Headed& network, const Recipe& recipe);

// The plan of a strategy: its rules, then `more`, what is fresh, and the milestones of gradual. Sets the
// network's freeze states. Throws UsageError where nothing is left to train.
Plan plan_of(const Strategy& strategy, nn::Headed& network, const Recipe& recipe,
             const std::vector<Rule>& more = {});

// When the strategy gradual thaws each stage: the topmost in epoch 2, the lowest at three quarters of the
// epochs, the others evenly in between (Howard and Ruder, "Universal language model fine-tuning", 2018).
std::vector<Thaw> thaws_of(const nn::Headed& network, const Recipe& recipe);

// Which layers lora and adapters adapt; empty: default_targets (transfer/adapters.h). Of other strategies
// nothing is done. Returns the layers' names.
std::vector<std::string> add_strategy_adapters(const Strategy& strategy, nn::Headed& network,
                                               const Recipe& recipe, const std::vector<std::string>& targets,
                                               uint64_t seed);
LoraOptions lora_options(const Strategy& strategy, const Recipe& recipe,
                         const std::vector<std::string>& targets);

}  // namespace graft::transfer
