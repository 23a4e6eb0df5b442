// The exponential moving average of the weights (Polyak and Juditsky, 1992; as networks are trained since
// Szegedy et al., "Rethinking the Inception architecture", 2016): often better than the last weights.
#pragma once

#include <vector>

#include "transfer/plan.h"

namespace graft::transfer {

// Of all that moves: after each step, average = decay * average + (1 - decay) * value, statistics of batch
// norms included; it starts as the values themselves. Counters are those of the network.
class Averaged {
 public:
  Averaged(const Plan& plan, double decay);

  void follow();
  // The network gets the average and this object what the network had; a second call undoes it.
  void exchange();
  // The averages, in the order of names(): for checkpoints.
  const std::vector<Tensor>& tensors() const { return averages_; }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<nn::NamedTensor> moving_;  // of floating point
  std::vector<std::string> names_;
  std::vector<Tensor> averages_;
  double decay_;
};

// The network computes with the average while one is alive.
class WithAverage {
 public:
  explicit WithAverage(Averaged* averaged) : averaged_(averaged) {
    if (averaged_) averaged_->exchange();
  }
  ~WithAverage() {
    if (averaged_) averaged_->exchange();
  }
  WithAverage(const WithAverage&) = delete;
  WithAverage& operator=(const WithAverage&) = delete;

 private:
  Averaged* averaged_;  // may be none
};

}  // namespace graft::transfer
