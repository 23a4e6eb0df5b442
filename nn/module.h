// Module: a part of a network that names its parts once, in the checkpoint's words. Everything else (loading,
// saving, freezing, counting) walks those names.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/var.h"

namespace graft::nn {

// A state, not a flag of the moment: train() cannot undo it.
enum class Freeze : uint8_t {
  trainable,
  frozen,              // never changes: no gradient, no weight decay, no running statistics
  frozen_adapt_stats,  // no gradient, but batch norm goes on re-estimating its statistics (domain adaptation)
};
std::string_view to_text(Freeze freeze);

// How a published file stores a tensor, where that differs from the engine's own layout. Loading converts,
// saving undoes.
enum class Published : uint8_t {
  same,       // the same axes
  conv_oihw,  // file [O, I, KH, KW], engine [O, KH, KW, I]
  linear_io,  // file [in, out], engine [out, in]: GPT-2's Conv1D
  // A dense layer over a map of 7 x 7 pixels: the file's inputs are channel by channel, [O, C, 7, 7] under
  // the shape [O, 49 C], the engine's pixel by pixel, [O, 7, 7, C].
  flat_chw7,
};
std::string_view to_text(Published published);

struct Parameter {
  Var var;
  Freeze freeze = Freeze::trainable;

  Parameter() = default;
  explicit Parameter(Tensor value) : var(std::move(value), true) {}
  // Sets the state, and with it whether gradients are collected.
  void set_freeze(Freeze f);
};

// A tensor that is saved with the network but has no gradient, such as running statistics.
struct Buffer {
  Tensor value;
  Freeze freeze = Freeze::trainable;

  Buffer() = default;
  explicit Buffer(Tensor v) : value(std::move(v)) {}
};

class Module;

// What Module::parts is called with: receives each part under its name. A parameter that another module named
// already may be named again (a language model's head that is its table of word vectors): tied, one Var under
// two names. Name the module that computes with it first: the first name is the parameter's own.
class Parts {
 public:
  virtual ~Parts() = default;
  virtual Parts& operator()(std::string_view name, Module& module) = 0;
  virtual Parts& operator()(std::string_view name, Parameter& parameter,
                            Published published = Published::same) = 0;
  virtual Parts& operator()(std::string_view name, Buffer& buffer) = 0;
  // A part that may be absent (a bias, a shortcut): nothing is said of it then.
  Parts& optional(std::string_view name, std::unique_ptr<Module>& module) {
    return module ? (*this)(name, *module) : *this;
  }
  Parts& optional(std::string_view name, Parameter& parameter, Published published = Published::same) {
    return parameter.var.defined() ? (*this)(name, parameter, published) : *this;
  }
};

// What an observer sees: each module's output, or its gradient, under the module's name. Parity tests and
// `graft inspect` read it, and so does what names the place where a training's numbers break.
using Observer = std::function<void(const std::string& name, const Tensor& output)>;

// Move-only: a copied module would share its parameters with the original.
class Module {
 public:
  Module() = default;
  Module(Module&&) = default;
  Module& operator=(Module&&) = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module() = default;

  virtual void parts(Parts& p) = 0;

  // Training mode, for this module and all its parts: batch norm uses batch statistics (unless frozen),
  // dropout drops. Touches neither gradients nor freezing.
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const { return training_; }

 protected:
  bool is_observed() const { return observer_ != nullptr; }
  // Every forward ends with `return seen(y)`: here an observer reads y, and on the way back y's gradient.
  Var seen(const Var& y) const { return observer_ ? observed(y) : y; }

 private:
  friend class Observing;
  friend class InMode;
  Var observed(const Var& y) const;
  bool training_ = false;
  std::function<void(const Tensor&)> observer_, gradient_observer_;
};

// While one is alive, `observer` is called with the output of every module below `root` that runs. The
// network must not be moved, nor its modules replaced, meanwhile. A fused step has one output: that of the
// block around it. With `on_gradient`, that is called with the gradient of each output on the way back, for
// forward passes that ran meanwhile.
class Observing {
 public:
  Observing(Module& root, const Observer& observer, const Observer& on_gradient = {});
  ~Observing();
  Observing(const Observing&) = delete;
  Observing& operator=(const Observing&) = delete;

 private:
  std::vector<Module*> modules_;
};

// While one is alive, a network and all its parts are in training mode, or out of it; then each is as it was.
// No part may be moved or replaced meanwhile.
class InMode {
 public:
  InMode(Module& root, bool training);
  ~InMode();
  InMode(const InMode&) = delete;
  InMode& operator=(const InMode&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> before_;  // looked up beforehand: the end must not need memory
};

// One tensor of a network under its full name, "layer1.0.bn1.running_mean". Exactly one of the pointers is
// set; they stay valid while the network lives and is not moved.
struct NamedTensor {
  std::string name;
  Parameter* parameter = nullptr;
  Buffer* buffer = nullptr;
  Published published = Published::same;
  std::string tied_to = {};  // the first name of the same parameter; empty where this is the first

  const Tensor& value() const { return parameter ? parameter->var.value() : buffer->value; }
  Freeze freeze() const { return parameter ? parameter->freeze : buffer->freeze; }
  void set_value(Tensor value) const;
  void set_freeze(Freeze f) const;
};

// All tensors, in the order in which the modules name them (a checkpoint's order); a tied parameter under
// each of its names.
std::vector<NamedTensor> named_tensors(Module& module);
// Only the parameters, each once, under its first name.
std::vector<NamedTensor> named_parameters(Module& module);
// All modules under their names, the root first, under "".
std::vector<std::pair<std::string, Module*>> named_modules(Module& module);
// Calls f(name, layer) for each module of type Layer: for_each_layer<Conv2d>(net, [](const std::string&,
// Conv2d&) {...}).
template <class Layer, class F>
void for_each_layer(Module& root, F f) {
  for (auto& [name, module] : named_modules(root)) {
    if (auto* layer = dynamic_cast<Layer*>(module)) f(name, *layer);
  }
}
// Brings all tensors to `device` and forgets the gradients. Integer counters, which layers count up
// themselves, stay on the CPU.
void move_to(Module& module, Device device);
// Elements of all parameters, tied ones once; of those with state `trainable` only.
int64_t parameter_count(Module& module);
int64_t trainable_count(Module& module);

// A list of modules under the names "0", "1", ...
template <class M>
class ModuleList : public Module {
 public:
  void parts(Parts& p) override {
    for (size_t i = 0; i < items.size(); ++i) p(std::to_string(i), *items[i]);
  }
  template <class... Args>
  M& emplace(Args&&... args) {
    items.push_back(std::make_unique<M>(std::forward<Args>(args)...));
    return *items.back();
  }
  size_t size() const { return items.size(); }
  M& operator[](size_t i) { return *items[i]; }
  std::vector<std::unique_ptr<M>> items;
};

}  // namespace graft::nn
