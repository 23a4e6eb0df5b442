// Optimizers: parameters in groups, each with its own factor on the learning rate and its own weight decay.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "autograd/var.h"

namespace graft::nn {

struct ParameterGroup {
  std::string name;             // for messages
  std::vector<Var> parameters;  // leaves
  double lr_scale = 1;          // the group's rate is lr_scale times the step's
  double weight_decay = 0;
  // The parameters' names, in their order. They name the optimizer's state; without them it goes by the
  // group's name and a number.
  std::vector<std::string> parameter_names = {};
};

// Named tensors: "layer4.0.conv1.weight.velocity".
using OptimizerState = std::vector<std::pair<std::string, Tensor>>;

// A parameter is left alone, weight decay and momentum included, while its requires_grad is false or it has
// no gradient. Values are changed in place.
class Optimizer {
 public:
  // Each parameter may stand in one group only.
  explicit Optimizer(std::vector<ParameterGroup> groups);
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One step with the gradients that backward() collected.
  void step(double lr) { prepared()(lr); }
  // The same in two halves, for a step that is recorded (core/step_graph.h): takes the gradients as they are
  // now and returns what steps with them, as often as it is called. It refers to the optimizer.
  std::function<void(double lr)> prepared();
  // Forgets the gradients of all parameters.
  void zero_grad();

  const std::vector<ParameterGroup>& groups() const { return groups_; }

  // What a later step depends on, for checkpoints: the tensors themselves, not copies. A parameter that was
  // never moved has no state.
  OptimizerState state() const;
  // Goes on where the optimizer that gave `state` was: copies the tensors and forgets the present ones.
  // Throws DataError for a name that is not this optimizer's, an incomplete set or a tensor that does not fit
  // its parameter.
  void load_state(const OptimizerState& state);

 protected:
  struct Slot {
    std::string name;  // of the parameter
    Var parameter;
    // One for each of state_names(), then the master of a bf16 parameter: its value in f32, which is what a
    // step moves, as steps are often smaller than the distance of two bf16 numbers. Empty before the first
    // step.
    std::vector<Tensor> tensors;
    int64_t steps = 0;

    Tensor master() const { return parameter.value().dtype() == DType::bf16 ? tensors.back() : Tensor(); }
  };
  // The kinds of tensors kept for each parameter, each of its shape and type (f32 for bf16), starting at 0.
  virtual std::vector<std::string> state_names() const = 0;
  // Whether the number of steps matters, and so belongs to the state.
  virtual bool counts_steps() const = 0;
  // Moves parameters of one group, at least one; their steps count this one already.
  virtual void update(const std::vector<const Slot*>& slots, double lr, double weight_decay) = 0;

 private:
  // state_names() and, where there is one, the master.
  std::vector<std::string> names_of(const Slot& slot) const;
  void begin(Slot& slot) const;  // makes the state of a parameter's first step
  std::vector<ParameterGroup> groups_;
  std::vector<std::vector<Slot>> slots_;  // as groups_
};

struct SgdOptions {
  double momentum = 0;
  bool nesterov = false;  // needs momentum
};
// kernels/optimizer.h has the formulas.
class Sgd : public Optimizer {
 public:
  Sgd(std::vector<ParameterGroup> groups, SgdOptions options = {});

 private:
  std::vector<std::string> state_names() const override;
  bool counts_steps() const override { return false; }
  void update(const std::vector<const Slot*>& slots, double lr, double weight_decay) override;
  SgdOptions options_;
};

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  void check(const char* optimizer) const;  // throws UsageError
};
// Its weight decay is a part of the gradient; AdamW's is not.
class Adam : public Optimizer {
 public:
  Adam(std::vector<ParameterGroup> groups, AdamOptions options = {})
      : Adam(std::move(groups), options, false) {}

 protected:
  Adam(std::vector<ParameterGroup> groups, AdamOptions options, bool decoupled);

 private:
  std::vector<std::string> state_names() const override;
  bool counts_steps() const override { return true; }
  void update(const std::vector<const Slot*>& slots, double lr, double weight_decay) override;
  AdamOptions options_;
  bool decoupled_;
};
class AdamW : public Adam {
 public:
  AdamW(std::vector<ParameterGroup> groups, AdamOptions options = {})
      : Adam(std::move(groups), options, true) {}
};

// For large batches: Adam's step, scaled for each parameter by its norm (kernels/lamb.h).
class Lamb : public Optimizer {
 public:
  Lamb(std::vector<ParameterGroup> groups, AdamOptions options = {.eps = 1e-6});

 private:
  std::vector<std::string> state_names() const override;
  bool counts_steps() const override { return true; }
  void update(const std::vector<const Slot*>& slots, double lr, double weight_decay) override;
  AdamOptions options_;
};

}  // namespace graft::nn
