// A plan: the rules applied to a network. Says what trains, in which group, what stays, and where gradients
// stop.
#pragma once

#include "transfer/rules.h"

namespace graft::transfer {

// Parameters that share their settings.
struct Group {
  double lr_scale = 1;
  double weight_decay = -1;  // negative: the recipe's
  std::vector<nn::NamedTensor> parameters;
};

// With gradual unfreezing: what trains from an epoch on, and was frozen before.
struct Milestone {
  int epoch = 1;
  std::string stage;
  std::vector<nn::NamedTensor> tensors;
};

struct Plan {
  std::vector<Group> groups;            // trainable parameters only
  std::vector<nn::NamedTensor> frozen;  // parameters and statistics that must not move
  std::vector<nn::NamedTensor> moving;  // all others: trainable parameters and the statistics that go on
  std::string gradients_stop;  // the module below which nothing is recorded; empty: gradients go all the way
  int64_t parameters = 0, trainable_parameters = 0;
  // The names of what is new in the network, such as its head: nothing was published of it.
  std::vector<std::string> fresh = {};
  std::vector<Milestone> milestones = {};  // in the order of their epochs; hold_back makes them
};

// Sets the freeze state of every tensor of the network and returns the plan. Tensors that no rule names keep
// their state; a tied parameter is one tensor, and a rule means it by any of its names. Throws UsageError for
// a rule that matches nothing, naming the nearest names. The plan points into the network: it is valid while
// the network lives and none of its parts is replaced.
Plan plan(nn::Module& network, const std::vector<Rule>& rules);

// From which epoch on the tensors that match these patterns train. A tensor belongs to the last that matches.
struct Thaw {
  int epoch = 1;
  std::string stage;
  std::vector<std::string> patterns;
};
// Freezes what the plan trains from a later epoch than the first on, and notes when that ends. Statistics of
// batch norms wait with their stage.
void hold_back(Plan& plan, const std::vector<Thaw>& thaws);
// From its epoch on: the milestone's tensors train.
void thaw(const Milestone& milestone);

}  // namespace graft::transfer
