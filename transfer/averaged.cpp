#include "transfer/averaged.h"

#include "transfer/blend.h"

namespace graft::transfer {

Averaged::Averaged(const Plan& plan, double decay) : decay_(decay) {
  for (const nn::NamedTensor& t : plan.moving) {
    if (!is_float(t.value().dtype())) continue;
    moving_.push_back(t);
    names_.push_back(t.name);
    averages_.push_back(t.value().clone());
  }
}

void Averaged::follow() {
  std::vector<Tensor> values;
  for (const nn::NamedTensor& t : moving_) values.push_back(t.value());
  blend(averages_, decay_, values, 1 - decay_);
}

// Elements change places, not tensors: recordings and optimizers hold the network's addresses.
void Averaged::exchange() {
  for (size_t i = 0; i < moving_.size(); ++i) {
    Tensor network = moving_[i].value();
    Tensor kept = network.clone();
    network.copy_from(averages_[i]);
    averages_[i].copy_from(kept);
  }
}

}  // namespace graft::transfer
