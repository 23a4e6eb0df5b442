#include "transfer/strategy.h"

#include <algorithm>

namespace graft::transfer {
namespace {

bool is_tensor(nn::Headed& network, const std::string& name) {
  std::vector<nn::NamedTensor> tensors = nn::named_tensors(network);
  return std::any_of(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
}

}  // namespace

std::vector<Rule> rules_of(const Strategy& strategy, nn::Headed& network, const Recipe& recipe) {
  using Kind = Strategy::Kind;
  if (strategy.kind == Kind::scratch) return {{"*", Freeze::trainable}};

  GRAFT_CHECK_AS(
      UsageError, strategy.kind != Kind::head || !network.head_parts().empty(),
      "strategy head: this network writes texts and has no head to replace; use partial:N or full");
  std::vector<Rule> rules;
  if (strategy.kind == Kind::full) {
    rules.push_back({"*", Freeze::trainable, recipe.body_lr_scale});
  } else {
    rules.push_back({"*", Freeze::frozen});
  }
  if (strategy.kind == Kind::partial) {
    std::vector<nn::Stage> stages = network.stages();
    GRAFT_CHECK_AS(UsageError, strategy.stages <= static_cast<int>(stages.size()),
                   "partial:", strategy.stages, ": the network has ", stages.size(), " stages, from ",
                   stages.front().name, " to ", stages.back().name);
    for (size_t i = stages.size() - static_cast<size_t>(strategy.stages); i < stages.size(); ++i) {
      for (const std::string& prefix : stages[i].prefixes) {
        std::string pattern = is_tensor(network, prefix) ? prefix : prefix + ".*";
        rules.push_back({pattern, Freeze::trainable, recipe.body_lr_scale});
      }
    }
  }
  if (recipe.freeze_bn) {
    for (const nn::NamedTensor& t : nn::named_tensors(network)) {
      if (t.buffer) rules.push_back({t.name, Freeze::frozen});
    }
  }
  for (const std::string& part : network.head_parts()) rules.push_back({part + ".*", Freeze::trainable});
  return rules;
}

}  // namespace graft::transfer
