#include "kernels/optimizer.h"
#include "nn/optim/optimizer.h"

namespace graft::nn {

AdamW::AdamW(std::vector<ParameterGroup> groups, AdamWOptions options)
    : Optimizer(std::move(groups)), options_(options) {
  auto is_beta = [](double beta) { return beta >= 0 && beta < 1; };
  GRAFT_CHECK_AS(UsageError, is_beta(options.beta1) && is_beta(options.beta2), "adamw: betas ", options.beta1,
                 " and ", options.beta2, " must be at least 0 and below 1");
  GRAFT_CHECK_AS(UsageError, options.eps > 0, "adamw: eps ", options.eps, " is not above 0");
}

std::vector<std::string> AdamW::state_names() const {
  return {"mean", "square"};
}

void AdamW::update(const std::vector<const Slot*>& slots, double lr, double weight_decay) {
  kernels::AdamWStep s;
  for (const Slot* slot : slots) {
    s.parameters.push_back({slot->parameter.value(), slot->parameter.grad().contiguous(), slot->tensors[0],
                            slot->tensors[1], slot->steps, slot->master()});
  }
  s.lr = lr;
  s.beta1 = options_.beta1;
  s.beta2 = options_.beta2;
  s.eps = options_.eps;
  s.weight_decay = weight_decay;
  kernels::adamw_step(s);
}

}  // namespace graft::nn
