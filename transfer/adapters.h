// Hangs small trainable modules (nn/adapters.h) beside the layers of a network, by name, and folds LoRA's
// back into the weights. Their tensors are called "<layer>.adapter.<...>", so that rules over names freeze
// and train them like all others: {"*", frozen}, {"*.adapter.*", trainable}, and the head.
#pragma once

#include <string>
#include <vector>

#include "nn/module.h"

namespace graft::transfer {

struct LoraOptions {
  int64_t rank = 8;
  double alpha = 16;  // the update counts alpha / rank times
  double dropout = 0;
  // The layers: Linear or Conv2d, named in full or by the end of their name, "query" for every "*.query".
  // Empty: default_targets.
  std::vector<std::string> targets = {};
};

// What is adapted where nobody says: of transformers the projections of queries and values (those that PEFT
// takes), of other networks every Linear and every Conv2d in one group. Never what lies in the module `head`.
// Throws UsageError for a network without such a layer.
std::vector<std::string> default_targets(nn::Module& network, const std::string& head);

// Return the full names of the layers, in the network's order. Starting values are by `seed`; the network
// computes what it did. Throw UsageError for a target that names no such layer, with the nearest names, and
// for a layer that has an adapter already; the network is unchanged then.
std::vector<std::string> add_lora(nn::Module& network, const LoraOptions& options, const std::string& head,
                                  uint64_t seed);
std::vector<std::string> add_bottlenecks(nn::Module& network, int64_t width,
                                         const std::vector<std::string>& targets, const std::string& head,
                                         uint64_t seed);

// The bottlenecks that hang in a network, for whoever must hang in the same ones. Width 0: none.
struct Bottlenecks {
  int64_t width = 0;
  std::vector<std::string> layers;  // full names
};
Bottlenecks bottlenecks_of(nn::Module& network);

// Adds each LoRA update to its layer's weight and takes it away: the network computes the same (to rounding),
// under the publisher's names alone. Returns the layers' names.
std::vector<std::string> merge_lora(nn::Module& network);

}  // namespace graft::transfer
