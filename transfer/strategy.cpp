#include "transfer/strategy.h"

#include <algorithm>
#include <cmath>

namespace graft::transfer {
namespace {

using Kind = Strategy::Kind;

bool is_tensor(nn::Headed& network, const std::string& name) {
  std::vector<nn::NamedTensor> tensors = nn::named_tensors(network);
  return std::any_of(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
}

// The last `count` stages, each at the rate that its height gives it.
void add_stages(nn::Headed& network, size_t count, const Recipe& recipe, std::vector<Rule>& rules) {
  std::vector<nn::Stage> stages = network.stages();
  for (size_t i = stages.size() - count; i < stages.size(); ++i) {
    double depth = static_cast<double>(stages.size() - 1 - i);
    double scale = recipe.body_lr_scale * std::pow(recipe.layer_decay, depth);
    for (const std::string& prefix : stages[i].prefixes) {
      std::string pattern = is_tensor(network, prefix) ? prefix : prefix + ".*";
      rules.push_back({pattern, Freeze::trainable, scale});
    }
  }
}

void add_partial(const Strategy& strategy, nn::Headed& network, const Recipe& recipe,
                 std::vector<Rule>& rules) {
  std::vector<nn::Stage> stages = network.stages();
  GRAFT_CHECK_AS(UsageError, strategy.stages <= static_cast<int>(stages.size()), "partial:", strategy.stages,
                 ": the network has ", stages.size(), " stages, from ", stages.front().name, " to ",
                 stages.back().name);
  add_stages(network, static_cast<size_t>(strategy.stages), recipe, rules);
}

void add_biases(nn::Headed& network, std::vector<Rule>& rules) {
  size_t before = rules.size();
  for (const nn::NamedTensor& t : nn::named_parameters(network)) {
    if (t.name.ends_with(".bias") || t.name.ends_with("_bias")) rules.push_back({t.name, Freeze::trainable});
  }
  GRAFT_CHECK_AS(UsageError, rules.size() > before, "strategy bitfit: this network has no biases");
}

// Of the network's tensors those that nobody published.
std::vector<std::string> fresh_tensors(const Strategy& strategy, nn::Headed& network) {
  std::vector<std::string> out, parts = network.head_parts();
  for (const nn::NamedTensor& t : nn::named_tensors(network)) {
    bool in_head = std::any_of(parts.begin(), parts.end(),
                               [&](const std::string& part) { return t.name.starts_with(part + "."); });
    if (strategy.kind == Kind::scratch || in_head || matches("*.adapter.*", t.name)) out.push_back(t.name);
  }
  return out;
}

}  // namespace

std::vector<Rule> rules_of(const Strategy& strategy, nn::Headed& network, const Recipe& recipe) {
  if (strategy.kind == Kind::scratch) return {{"*", Freeze::trainable}};

  GRAFT_CHECK_AS(
      UsageError, strategy.kind != Kind::head || !network.head_parts().empty(),
      "strategy head: this network writes texts and has no head to replace; use partial:N or full");
  std::vector<Rule> rules;
  bool whole = strategy.kind == Kind::full || strategy.kind == Kind::gradual;
  if (whole) {
    rules.push_back({"*", Freeze::trainable, recipe.body_lr_scale});
    if (recipe.layer_decay < 1) add_stages(network, network.stages().size(), recipe, rules);
  } else {
    rules.push_back({"*", Freeze::frozen});
  }
  if (strategy.kind == Kind::partial) add_partial(strategy, network, recipe, rules);
  if (strategy.kind == Kind::bitfit) add_biases(network, rules);
  if (strategy.is_adapted()) rules.push_back({"*.adapter.*", Freeze::trainable});
  if (recipe.freeze_bn) {
    for (const nn::NamedTensor& t : nn::named_tensors(network)) {
      if (t.buffer) rules.push_back({t.name, Freeze::frozen});
    }
  }
  for (const std::string& part : network.head_parts()) rules.push_back({part + ".*", Freeze::trainable});
  return rules;
}

Plan plan_of(const Strategy& strategy, nn::Headed& network, const Recipe& recipe,
             const std::vector<Rule>& more) {
  std::vector<Rule> rules = rules_of(strategy, network, recipe);
  rules.insert(rules.end(), more.begin(), more.end());
  Plan out = plan(network, rules);
  GRAFT_CHECK_AS(UsageError, !out.groups.empty(), "retrain: the rules leave nothing to train");
  out.fresh = fresh_tensors(strategy, network);
  if (strategy.kind == Kind::gradual) hold_back(out, thaws_of(network, recipe));
  return out;
}

std::vector<Thaw> thaws_of(const nn::Headed& network, const Recipe& recipe) {
  std::vector<nn::Stage> stages = network.stages();
  auto count = static_cast<int>(stages.size());
  int last = std::max(2, static_cast<int>(std::lround(0.75 * recipe.epochs)));
  std::vector<Thaw> out;
  for (int below_top = 0; below_top < count; ++below_top) {
    const nn::Stage& stage = stages[static_cast<size_t>(count - 1 - below_top)];
    Thaw thaw{2 + below_top * (last - 1) / count, stage.name, {}};
    for (const std::string& prefix : stage.prefixes) {
      thaw.patterns.push_back(prefix);
      thaw.patterns.push_back(prefix + ".*");
    }
    out.push_back(std::move(thaw));
  }
  return out;
}

LoraOptions lora_options(const Strategy& strategy, const Recipe& recipe,
                         const std::vector<std::string>& targets) {
  return {
      .rank = strategy.width, .alpha = recipe.lora_alpha, .dropout = recipe.lora_dropout, .targets = targets};
}

std::vector<std::string> add_strategy_adapters(const Strategy& strategy, nn::Headed& network,
                                               const Recipe& recipe, const std::vector<std::string>& targets,
                                               uint64_t seed) {
  if (!strategy.is_adapted()) {
    GRAFT_CHECK_AS(UsageError, targets.empty(), "strategy ", to_text(strategy),
                   ": adapts no layers; --target is for lora and adapters");
    return {};
  }
  std::string head = network.head_name();
  if (strategy.kind == Kind::lora)
    return add_lora(network, lora_options(strategy, recipe, targets), head, seed);
  return add_bottlenecks(network, strategy.width, targets, head, seed);
}

}  // namespace graft::transfer
