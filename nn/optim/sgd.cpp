#include "kernels/optimizer.h"
#include "nn/optim/optimizer.h"

namespace graft::nn {

Sgd::Sgd(std::vector<ParameterGroup> groups, SgdOptions options)
    : Optimizer(std::move(groups)), options_(options) {
  GRAFT_CHECK_AS(UsageError, options.momentum >= 0, "sgd: momentum ", options.momentum, " is negative");
  GRAFT_CHECK_AS(UsageError, !options.nesterov || options.momentum > 0, "sgd: nesterov needs a momentum");
}

std::vector<std::string> Sgd::state_names() const {
  return options_.momentum != 0 ? std::vector<std::string>{"velocity"} : std::vector<std::string>{};
}

void Sgd::update(const std::vector<const Slot*>& slots, double lr, double weight_decay) {
  kernels::SgdStep s;
  for (const Slot* slot : slots) {
    Tensor velocity = options_.momentum != 0 ? slot->tensors[0] : Tensor();
    s.parameters.push_back(
        {slot->parameter.value(), slot->parameter.grad().contiguous(), velocity, slot->master()});
  }
  s.lr = lr;
  s.momentum = options_.momentum;
  s.weight_decay = weight_decay;
  s.nesterov = options_.nesterov;
  kernels::sgd_step(s);
}

}  // namespace graft::nn
