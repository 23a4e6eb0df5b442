// One optimizer step of a plan, with the checks that a training loop owes its user.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "nn/optim/optimizer.h"
#include "transfer/plan.h"
#include "transfer/recipe.h"

namespace graft::transfer {

class Stepper {
 public:
  // Tensors of rank 1 (biases, norms) decay only where their rule says how much; the others by the recipe's
  // weight_decay. With l2_sp, what is not fresh is drawn to where it stands now instead of decaying.
  Stepper(const Plan& plan, const Recipe& recipe);

  const std::vector<Var>& parameters() const { return parameters_; }
  void forget_gradients();
  // The gradients that backward() left, in the order of the parameters; undefined where there is none.
  std::vector<Tensor> gradients() const;
  // Adds the pull of l2_sp, clips these gradients, steps at `factor` times the recipe's learning rate, and
  // forgets them. Throws Error, naming `where` and the tensor, for a gradient that is not finite; nothing has
  // moved then. `explain` is asked for more to say.
  void step(std::span<const Tensor> gradients, double factor, const std::string& where,
            const std::function<std::string()>& explain = {});

  // "; classifier.1.weight is not finite": the first such tensor of the network, frozen ones first, or
  // nothing.
  std::string first_not_finite() const;

  // The optimizer's, for a training that is stopped and goes on.
  nn::OptimizerState state() const { return optimizer_->state(); }
  void load_state(const nn::OptimizerState& state) { optimizer_->load_state(state); }

 private:
  void pull_back();
  std::vector<nn::NamedTensor> network_;
  std::vector<nn::NamedTensor> tensors_;  // those that train
  std::vector<Var> parameters_;           // the same
  std::vector<Tensor> starts_;            // where each is drawn to; undefined: nowhere
  double learning_rate_, clip_norm_, l2_sp_;
  std::unique_ptr<nn::Optimizer> optimizer_;
};

}  // namespace graft::transfer
