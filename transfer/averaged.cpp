#include "transfer/averaged.h"

#include <algorithm>

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

// Elements change places, not tensors: recordings and optimizers hold the network's addresses. On the CPU
// that takes no memory, so that a run which is out of it can still put its weights back.
void Averaged::exchange() {
  for (size_t i = 0; i < moving_.size(); ++i) {
    const Tensor& network = moving_[i].value();
    if (!network.device().is_cuda() && network.is_contiguous()) {
      auto* values = static_cast<char*>(network.raw());
      std::swap_ranges(values, values + network.bytes(), static_cast<char*>(averages_[i].raw()));
      continue;
    }
    Tensor kept = network.clone();
    network.copy_from(averages_[i]);
    averages_[i].copy_from(kept);
  }
}

}  // namespace graft::transfer
