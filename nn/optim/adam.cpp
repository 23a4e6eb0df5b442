#include "kernels/optimizer.h"
#include "nn/optim/optimizer.h"

namespace graft::nn {

Adam::Adam(std::vector<ParameterGroup> groups, AdamOptions options, bool decoupled)
    : Optimizer(std::move(groups)), options_(options), decoupled_(decoupled) {
  options.check(decoupled ? "adamw" : "adam");
}

void AdamOptions::check(const char* optimizer) const {
  auto is_beta = [](double beta) { return beta >= 0 && beta < 1; };
  GRAFT_CHECK_AS(UsageError, is_beta(beta1) && is_beta(beta2), optimizer, ": betas ", beta1, " and ", beta2,
                 " must be at least 0 and below 1");
  GRAFT_CHECK_AS(UsageError, eps > 0, optimizer, ": eps ", eps, " is not above 0");
}

std::vector<std::string> Adam::state_names() const {
  return {"mean", "square"};
}

void Adam::update(const std::vector<const Slot*>& slots, double lr, double weight_decay) {
  kernels::AdamStep s;
  for (const Slot* slot : slots) {
    s.parameters.push_back({slot->parameter.value(), slot->parameter.grad().contiguous(), slot->tensors[0],
                            slot->tensors[1], slot->steps, slot->master()});
  }
  s.lr = lr;
  s.beta1 = options_.beta1;
  s.beta2 = options_.beta2;
  s.eps = options_.eps;
  s.weight_decay = weight_decay;
  s.decoupled = decoupled_;
  kernels::adam_step(s);
}

}  // namespace graft::nn
