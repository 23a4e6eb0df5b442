#include "transfer/plan.h"

#include <algorithm>
#include <cctype>

#include "core/nearest.h"

namespace graft::transfer {
namespace {

struct Setting {
  double lr_scale = 1;
  double weight_decay = -1;
};

void require_match(const Rule& rule, const std::vector<nn::NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const auto& t : tensors) {
    if (matches(rule.pattern, t.name)) return;
    names.push_back(t.name);
  }
  fail<UsageError>("rule \"", printable(rule.pattern), "\" matches no tensor of the network",
                   did_you_mean(rule.pattern, names));
}

// "features.3" of "features.3.conv.1.weight": the part that a reader thinks in. Top-level tensors stand for
// themselves.
std::string block_of(const std::string& name) {
  size_t dot = name.find('.');
  if (dot == std::string::npos) return name;
  size_t next = name.find('.', dot + 1);
  bool numbered = dot + 1 < name.size() && std::isdigit(static_cast<unsigned char>(name[dot + 1]));
  return numbered && next != std::string::npos ? name.substr(0, next) : name.substr(0, dot);
}

// A tied parameter has several names: a rule that matches one of them means it.
bool means(const Rule& rule, const nn::NamedTensor& tensor, const std::vector<nn::NamedTensor>& tied) {
  return matches(rule.pattern, tensor.name) ||
         std::any_of(tied.begin(), tied.end(), [&](const nn::NamedTensor& other) {
           return other.tied_to == tensor.name && matches(rule.pattern, other.name);
         });
}

}  // namespace

Plan plan(nn::Module& network, const std::vector<Rule>& rules) {
  std::vector<nn::NamedTensor> tensors = nn::named_tensors(network);
  for (const Rule& rule : rules) require_match(rule, tensors);

  std::vector<nn::NamedTensor> tied;
  for (const nn::NamedTensor& t : tensors) {
    if (!t.tied_to.empty()) tied.push_back(t);
  }
  Plan out;
  std::string deepest;  // networks name their parts in the order of the computation: the first that trains
  for (const nn::NamedTensor& t : tensors) {
    if (!t.tied_to.empty()) continue;
    Setting setting;
    for (const Rule& rule : rules) {
      if (!means(rule, t, tied)) continue;
      t.set_freeze(rule.freeze);
      setting = {rule.lr_scale, rule.weight_decay};
    }
    // Statistics that go on adapting move, although their batch norm's weights do not.
    bool moves = t.parameter ? t.freeze() == Freeze::trainable : t.freeze() != Freeze::frozen;
    (moves ? out.moving : out.frozen).push_back(t);
    if (!t.parameter) continue;
    out.parameters += t.value().numel();
    if (!moves) continue;
    out.trainable_parameters += t.value().numel();
    if (deepest.empty()) deepest = block_of(t.name);
    auto same = [&](const Group& g) {
      return g.lr_scale == setting.lr_scale && g.weight_decay == setting.weight_decay;
    };
    auto group = std::find_if(out.groups.begin(), out.groups.end(), same);
    if (group == out.groups.end()) {
      out.groups.push_back({setting.lr_scale, setting.weight_decay, {}});
      group = out.groups.end() - 1;
    }
    group->parameters.push_back(t);
  }
  if (!tensors.empty() && deepest != block_of(tensors.front().name)) out.gradients_stop = deepest;
  return out;
}

void hold_back(Plan& plan, const std::vector<Thaw>& thaws) {
  std::vector<Milestone> all;
  for (const Thaw& t : thaws) all.push_back({t.epoch, t.stage, {}});
  for (const nn::NamedTensor& tensor : plan.moving) {
    auto means = [&](const Thaw& thaw) {
      return std::any_of(thaw.patterns.begin(), thaw.patterns.end(),
                         [&](const std::string& pattern) { return matches(pattern, tensor.name); });
    };
    auto last = std::find_if(thaws.rbegin(), thaws.rend(), means);
    if (last == thaws.rend() || last->epoch <= 1) continue;
    tensor.set_freeze(Freeze::frozen);
    all[static_cast<size_t>(thaws.rend() - last) - 1].tensors.push_back(tensor);
  }
  std::erase_if(all, [](const Milestone& m) { return m.tensors.empty(); });
  std::stable_sort(all.begin(), all.end(),
                   [](const Milestone& a, const Milestone& b) { return a.epoch < b.epoch; });
  plan.milestones = std::move(all);
}

void thaw(const Milestone& milestone) {
  for (const nn::NamedTensor& tensor : milestone.tensors) tensor.set_freeze(Freeze::trainable);
}

}  // namespace graft::transfer
