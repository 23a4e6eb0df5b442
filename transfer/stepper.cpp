#include "transfer/stepper.h"

#include <algorithm>
#include <cmath>

#include "nn/optim/clip.h"
#include "transfer/blend.h"
#include "transfer/not_finite.h"

namespace graft::transfer {
namespace {

std::unique_ptr<nn::Optimizer> make_optimizer(std::vector<nn::ParameterGroup> groups, const Recipe& recipe) {
  switch (recipe.optimizer) {
    case Optimizer::sgd:
      return std::make_unique<nn::Sgd>(std::move(groups), nn::SgdOptions{.momentum = recipe.momentum});
    case Optimizer::adam: return std::make_unique<nn::Adam>(std::move(groups));
    case Optimizer::adamw: return std::make_unique<nn::AdamW>(std::move(groups));
    case Optimizer::lamb: return std::make_unique<nn::Lamb>(std::move(groups));
    case Optimizer::lbfgs: break;
  }
  fail<UsageError>("training: lbfgs solves heads on cached features; use sgd, adam, adamw or lamb here");
}

}  // namespace

Stepper::Stepper(const Plan& plan, const Recipe& recipe)
    : network_(plan.frozen),
      learning_rate_(recipe.learning_rate),
      clip_norm_(recipe.clip_norm),
      l2_sp_(recipe.l2_sp) {
  network_.insert(network_.end(), plan.moving.begin(), plan.moving.end());
  auto is_drawn = [&](const nn::NamedTensor& t) {
    return l2_sp_ > 0 && std::find(plan.fresh.begin(), plan.fresh.end(), t.name) == plan.fresh.end();
  };
  std::vector<nn::ParameterGroup> groups;
  for (const Group& group : plan.groups) {
    // Up to three groups each: what decays, vectors, and what is drawn to its start.
    enum class Share { decays, vector, drawn };
    for (Share share : {Share::decays, Share::vector, Share::drawn}) {
      nn::ParameterGroup out;
      out.name = str("group ", groups.size());
      out.lr_scale = group.lr_scale;
      double usual = share == Share::decays ? recipe.weight_decay : 0;
      out.weight_decay = group.weight_decay >= 0 ? group.weight_decay : usual;
      for (const nn::NamedTensor& t : group.parameters) {
        Share own = is_drawn(t) ? Share::drawn : t.value().rank() <= 1 ? Share::vector : Share::decays;
        if (own != share) continue;
        starts_.push_back(share == Share::drawn ? t.value().clone() : Tensor());
        out.parameters.push_back(t.parameter->var);
        out.parameter_names.push_back(t.name);
        tensors_.push_back(t);
        parameters_.push_back(t.parameter->var);
      }
      if (!out.parameters.empty()) groups.push_back(std::move(out));
    }
  }
  optimizer_ = make_optimizer(std::move(groups), recipe);
  optimizer_->zero_grad();
}

void Stepper::forget_gradients() {
  optimizer_->zero_grad();
}

std::vector<Tensor> Stepper::gradients() const {
  std::vector<Tensor> out;
  for (const Var& parameter : parameters_) out.push_back(parameter.grad());
  return out;
}

void Stepper::step(std::span<const Tensor> gradients, double factor, const std::string& where,
                   const std::function<std::string()>& explain) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (gradients[i].defined()) parameters_[i].set_grad(gradients[i]);
  }
  if (!std::isfinite(nn::gradient_norm(parameters_))) {
    for (const nn::NamedTensor& t : tensors_) {
      Tensor grad = t.parameter->var.grad();
      GRAFT_CHECK(!grad.defined() || all_finite(grad), "training: the gradient of ", t.name,
                  " is not finite in ", where, explain ? explain() : "", "; a lower learning rate than ",
                  learning_rate_, " or clip_norm may help");
    }
    fail("training: the norm of all gradients overflows in ", where,
         "; clip_norm or a lower learning rate than ", learning_rate_, " may help");
  }
  if (l2_sp_ > 0) pull_back();
  if (clip_norm_ > 0) nn::clip_gradients(parameters_, clip_norm_);
  optimizer_->step(learning_rate_ * factor);
  optimizer_->zero_grad();
}

// The gradient of l2_sp / 2 |w - start|^2 (Li, Grandvalet and Davoine, "Explicit inductive bias for transfer
// learning with convolutional networks", 2018).
void Stepper::pull_back() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor grad = parameters_[i].grad();
    if (!starts_[i].defined() || !parameters_[i].needs_grad() || !grad.defined()) continue;
    blend({grad}, 1, {parameters_[i].value()}, l2_sp_);
    blend({grad}, 1, {starts_[i]}, -l2_sp_);
  }
}

std::string Stepper::first_not_finite() const {
  for (const nn::NamedTensor& t : network_) {
    if (is_float(t.value().dtype()) && !all_finite(t.value())) return "; " + t.name + " is not finite";
  }
  return "";
}

}  // namespace graft::transfer
