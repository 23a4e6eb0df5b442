#include "nn/optim/optimizer.h"

#include <algorithm>
#include <set>

#include "core/step_graph.h"

namespace graft::nn {
namespace {

constexpr const char* kSteps = "steps";
constexpr const char* kMaster = "master";

// What is kept for a bf16 parameter is f32.
DType state_type(const Tensor& value) {
  return value.dtype() == DType::bf16 ? DType::f32 : value.dtype();
}

}  // namespace

Optimizer::Optimizer(std::vector<ParameterGroup> groups) : groups_(std::move(groups)) {
  std::vector<const Slot*> seen;
  for (const ParameterGroup& group : groups_) {
    GRAFT_CHECK(group.parameter_names.empty() || group.parameter_names.size() == group.parameters.size(),
                "optimizer: group \"", group.name, "\" has ", group.parameters.size(), " parameters and ",
                group.parameter_names.size(), " names");
    GRAFT_CHECK(group.lr_scale >= 0 && group.weight_decay >= 0, "optimizer: group \"", group.name,
                "\" has a negative learning rate scale (", group.lr_scale, ") or weight decay (",
                group.weight_decay, ")");
    std::vector<Slot> slots;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      Slot slot;
      slot.name = group.parameter_names.empty() ? str(group.name, ".", i) : group.parameter_names[i];
      slot.parameter = group.parameters[i];
      GRAFT_CHECK(slot.parameter.defined(), "optimizer: ", slot.name, " is undefined");
      slots.push_back(std::move(slot));
    }
    slots_.push_back(std::move(slots));
  }
  for (auto& slots : slots_) {
    for (Slot& slot : slots) {
      for (const Slot* other : seen) {
        GRAFT_CHECK(!(other->parameter == slot.parameter), "optimizer: ", other->name, " and ", slot.name,
                    " are the same parameter; it would be moved twice");
        GRAFT_CHECK(other->name != slot.name, "optimizer: two parameters are called ", slot.name);
      }
      seen.push_back(&slot);
    }
  }
}

std::vector<std::string> Optimizer::names_of(const Slot& slot) const {
  std::vector<std::string> names = state_names();
  if (slot.parameter.value().dtype() == DType::bf16) names.push_back(kMaster);
  return names;
}

void Optimizer::begin(Slot& slot) const {
  const Tensor& value = slot.parameter.value();
  for (const std::string& name : names_of(slot)) {
    slot.tensors.push_back(name == kMaster ? value.to(DType::f32)
                                           : Tensor::zeros(value.shape(), state_type(value), value.device()));
  }
}

std::function<void(double)> Optimizer::prepared() {
  struct Moving {
    size_t group;
    std::vector<Slot*> slots;
    std::vector<Slot> now;  // the same, each with a Var of its own: its value, and its gradient of now
  };
  auto all = std::make_shared<std::vector<Moving>>();
  for (size_t g = 0; g < groups_.size(); ++g) {
    Moving moving{g, {}, {}};
    for (Slot& slot : slots_[g]) {
      Tensor grad = slot.parameter.grad();
      if (!slot.parameter.needs_grad() || !grad.defined()) continue;
      const Tensor& value = slot.parameter.value();
      GRAFT_CHECK(value.is_contiguous(), "optimizer: ", slot.name,
                  " is not contiguous, so it cannot be moved in place");
      GRAFT_CHECK(grad.shape() == value.shape() && grad.dtype() == value.dtype(), "optimizer: ", slot.name,
                  " is ", value, ", its gradient ", grad);
      if (slot.tensors.empty()) {
        GRAFT_CHECK(
            !is_recording_step(), "optimizer: ", slot.name,
            " gets its first gradient in a step that is recorded; its state would start anew each time "
            "the recording is played. Run a step with it before");
        begin(slot);
      }
      moving.slots.push_back(&slot);
      moving.now.push_back(slot);
      moving.now.back().parameter = Var(value, true);
      moving.now.back().parameter.set_grad(grad);
    }
    if (!moving.slots.empty()) all->push_back(std::move(moving));
  }
  return [this, all](double lr) {
    for (Moving& moving : *all) {
      std::vector<const Slot*> slots;
      for (size_t i = 0; i < moving.slots.size(); ++i) {
        moving.now[i].steps = ++moving.slots[i]->steps;
        slots.push_back(&moving.now[i]);
      }
      const ParameterGroup& group = groups_[moving.group];
      update(slots, lr * group.lr_scale, group.weight_decay);
    }
  };
}

void Optimizer::zero_grad() {
  for (const ParameterGroup& group : groups_) {
    for (const Var& parameter : group.parameters) parameter.clear_grad();
  }
}

OptimizerState Optimizer::state() const {
  OptimizerState out;
  for (const auto& slots : slots_) {
    for (const Slot& slot : slots) {
      if (slot.steps == 0) continue;
      std::vector<std::string> names = names_of(slot);
      for (size_t k = 0; k < names.size(); ++k) out.emplace_back(slot.name + "." + names[k], slot.tensors[k]);
      if (counts_steps()) {
        out.emplace_back(slot.name + "." + kSteps,
                         Tensor::full({}, static_cast<double>(slot.steps), DType::i64));
      }
    }
  }
  return out;
}

void Optimizer::load_state(const OptimizerState& state) {
  std::unordered_map<std::string, Tensor> given;
  for (const auto& [name, tensor] : state) {
    GRAFT_CHECK_AS(DataError, tensor.defined() && given.emplace(name, tensor).second,
                   "optimizer state: ", name, " is there twice or undefined");
  }
  // Everything is checked and copied before anything changes.
  std::vector<std::vector<Slot>> loaded = slots_;
  size_t used = 0;
  auto take = [&](const std::string& name, const Shape& shape, DType dtype, Device device) {
    auto found = given.find(name);
    GRAFT_CHECK_AS(DataError, found != given.end(), "optimizer state: ", name, " is missing");
    GRAFT_CHECK_AS(DataError, found->second.shape() == shape && found->second.dtype() == dtype,
                   "optimizer state: ", name, " is ", found->second, ", expected ", dtype, shape);
    ++used;
    return found->second.device() == device ? found->second.clone() : found->second.to(device);
  };
  for (auto& slots : loaded) {
    for (Slot& slot : slots) {
      slot.tensors.clear();
      slot.steps = 0;
      std::vector<std::string> names = names_of(slot);
      auto has = [&](const std::string& kind) { return given.count(slot.name + "." + kind) > 0; };
      if (std::none_of(names.begin(), names.end(), has) && !(counts_steps() && has(kSteps))) continue;
      const Tensor& value = slot.parameter.value();
      for (const std::string& kind : names) {
        slot.tensors.push_back(
            take(slot.name + "." + kind, value.shape(), state_type(value), value.device()));
      }
      slot.steps = counts_steps() ? *take(slot.name + "." + kSteps, {}, DType::i64, kCpu).data<int64_t>() : 1;
      GRAFT_CHECK_AS(DataError, slot.steps >= 1, "optimizer state: ", slot.name, ".", kSteps, " is ",
                     slot.steps, ", must be at least 1");
    }
  }
  if (used != given.size()) {
    std::set<std::string> expected;
    for (const auto& slots : loaded) {
      for (const Slot& slot : slots) {
        for (const std::string& kind : names_of(slot)) expected.insert(slot.name + "." + kind);
        if (counts_steps()) expected.insert(slot.name + "." + kSteps);
      }
    }
    for (const auto& [name, tensor] : state) {
      GRAFT_CHECK_AS(DataError, expected.count(name) > 0, "optimizer state: ", printable(name),
                     " belongs to no parameter of this optimizer");
    }
  }
  slots_ = std::move(loaded);
}

}  // namespace graft::nn
