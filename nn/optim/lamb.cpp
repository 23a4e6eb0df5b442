#include "kernels/lamb.h"

#include "nn/optim/optimizer.h"

namespace graft::nn {

Lamb::Lamb(std::vector<ParameterGroup> groups, AdamOptions options)
    : Optimizer(std::move(groups)), options_(options) {
  options.check("lamb");
}

std::vector<std::string> Lamb::state_names() const {
  return {"mean", "square"};
}

void Lamb::update(const std::vector<const Slot*>& slots, double lr, double weight_decay) {
  kernels::LambStep s;
  for (const Slot* slot : slots) {
    s.parameters.push_back({slot->parameter.value(), slot->parameter.grad().contiguous(), slot->tensors[0],
                            slot->tensors[1], slot->steps, slot->master()});
  }
  s.lr = lr;
  s.beta1 = options_.beta1;
  s.beta2 = options_.beta2;
  s.eps = options_.eps;
  s.weight_decay = weight_decay;
  kernels::lamb_step(s);
}

}  // namespace graft::nn
