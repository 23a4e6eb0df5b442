#include "nn/module.h"

#include <unordered_map>
#include <utility>

namespace graft::nn {
namespace {

std::string join(const std::string& prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : str(prefix, ".", name);
}

// Walks the tree and reports every module and tensor with its full name.
class Walk : public Parts {
 public:
  std::function<void(const std::string&, Module&)> on_module;
  std::function<void(NamedTensor)> on_tensor;

  void run(Module& root) { visit("", root); }

  Parts& operator()(std::string_view name, Module& module) override {
    visit(join(prefix_, name), module);
    return *this;
  }
  Parts& operator()(std::string_view name, Parameter& parameter, Published published) override {
    std::string full = join(prefix_, name);
    auto [first, is_new] = first_names_.emplace(&parameter, full);
    if (on_tensor) on_tensor({full, &parameter, nullptr, published, is_new ? "" : first->second});
    return *this;
  }
  Parts& operator()(std::string_view name, Buffer& buffer) override {
    if (on_tensor) on_tensor({join(prefix_, name), nullptr, &buffer});
    return *this;
  }

 private:
  void visit(const std::string& name, Module& module) {
    if (on_module) on_module(name, module);
    std::string outer = std::exchange(prefix_, name);
    module.parts(*this);
    prefix_ = std::move(outer);
  }
  std::string prefix_;
  std::unordered_map<const Parameter*, std::string> first_names_;
};

}  // namespace

std::string_view to_text(Freeze freeze) {
  switch (freeze) {
    case Freeze::trainable: return "trainable";
    case Freeze::frozen: return "frozen";
    case Freeze::frozen_adapt_stats: return "frozen, statistics adapt";
  }
  return "?";
}

std::string_view to_text(Published published) {
  switch (published) {
    case Published::same: return "as is";
    case Published::conv_oihw: return "OIHW -> OHWI";
    case Published::linear_io: return "[in, out] -> [out, in]";
    case Published::flat_chw7: return "[O, C 7 7] -> [O, 7 7 C]";
  }
  return "?";
}

void Parameter::set_freeze(Freeze f) {
  freeze = f;
  var.set_requires_grad(f == Freeze::trainable);
}

void NamedTensor::set_value(Tensor value) const {
  GRAFT_CHECK(value.shape() == this->value().shape() && value.dtype() == this->value().dtype(), name, ": ",
              value, " given for ", this->value());
  if (parameter) {
    parameter->var.set_value(std::move(value));
  } else {
    buffer->value = std::move(value);
  }
}

void NamedTensor::set_freeze(Freeze f) const {
  if (parameter) {
    parameter->set_freeze(f);
  } else {
    buffer->freeze = f;
  }
}

void Module::train(bool on) {
  for (auto& [name, module] : named_modules(*this)) module->training_ = on;
}

Var Module::observed(const Var& y) const {
  observer_(y.value());
  if (!gradient_observer_ || !y.needs_grad()) return y;
  return record("seen", y.value(), {y}, [observe = gradient_observer_](const Tensor& dy) {
    observe(dy);
    return Grads{dy};
  });
}

Observing::Observing(Module& root, const Observer& observer, const Observer& on_gradient) {
  for (auto& [name, module] : named_modules(root)) {
    module->observer_ = [name = name, observer](const Tensor& output) { observer(name, output); };
    if (on_gradient)
      module->gradient_observer_ = [name = name, on_gradient](const Tensor& dy) { on_gradient(name, dy); };
    modules_.push_back(module);
  }
}

Observing::~Observing() {
  for (Module* module : modules_) module->observer_ = module->gradient_observer_ = nullptr;
}

InMode::InMode(Module& root, bool training) {
  for (auto& [name, module] : named_modules(root)) before_.emplace_back(module, module->training_);
  for (auto [module, before] : before_) module->training_ = training;
}
InMode::~InMode() {
  for (auto [module, before] : before_) module->training_ = before;
}

std::vector<NamedTensor> named_tensors(Module& module) {
  std::vector<NamedTensor> all;
  Walk walk;
  walk.on_tensor = [&](NamedTensor t) { all.push_back(std::move(t)); };
  walk.run(module);
  return all;
}

std::vector<NamedTensor> named_parameters(Module& module) {
  std::vector<NamedTensor> all = named_tensors(module);
  std::erase_if(all, [](const NamedTensor& t) { return !t.parameter || !t.tied_to.empty(); });
  return all;
}

std::vector<std::pair<std::string, Module*>> named_modules(Module& module) {
  std::vector<std::pair<std::string, Module*>> all;
  Walk walk;
  walk.on_module = [&](const std::string& name, Module& m) { all.emplace_back(name, &m); };
  walk.run(module);
  return all;
}

void move_to(Module& module, Device device) {
  for (const NamedTensor& t : named_tensors(module)) {
    if (!is_float(t.value().dtype())) continue;
    if (t.parameter) t.parameter->var.clear_grad();
    t.set_value(t.value().to(device));
  }
}

int64_t parameter_count(Module& module) {
  int64_t n = 0;
  for (const auto& t : named_parameters(module)) n += t.value().numel();
  return n;
}

int64_t trainable_count(Module& module) {
  int64_t n = 0;
  for (const auto& t : named_parameters(module)) n += t.freeze() == Freeze::trainable ? t.value().numel() : 0;
  return n;
}

}  // namespace graft::nn
