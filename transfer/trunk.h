// The frozen stages below those that train: what they say of a picture is the same in every epoch, so they
// need be run only once for each view of it.
#pragma once

#include <vector>

#include "nn/models/classifier.h"
#include "transfer/train.h"
#include "transfer/examples.h"

namespace graft::transfer {

// The first `stages` stages of a network, in evaluation mode: batch norms with their running statistics,
// nothing dropped. Epoch e sees view (e - 1) mod (views + 1) of each training picture; view 0 is the plain
// one.
class Trunk {
 public:
  Trunk(nn::Classifier& network, size_t stages, int views, uint64_t seed)
      : network_(network), stages_(stages), views_(views), seed_(seed) {}

  // What the stage above takes, of these samples: on the CPU, in the network's precision.
  Tensor activations(const Examples& set, std::span<const int64_t> which, int view) const;
  int view_of(int epoch) const { return (epoch - 1) % (views_ + 1); }
  // The rest of the network: such activations on its device -> logits.
  Var rest(const Var& activations) const { return network_.forward_from(stages_, activations); }

  // The activations of the first `views` views of all samples, [n, ...] each, in memory.
  std::vector<Tensor> keep(const Examples& set, int views, const OnProgress& on_progress) const;
  std::vector<Tensor> keep_all(const Examples& set, const OnProgress& on_progress) const {
    return keep(set, views_ + 1, on_progress);
  }

  // Logits of the samples begin .. end of a set, on the CPU, by its plain activations; those are computed
  // where they are not given.
  Tensor score(const Examples& set, const Tensor& plain, int64_t begin, int64_t end) const;
  // How well the network does on a set, likewise: the bits that evaluate() of score.h gives.
  Evaluation evaluate(const Examples& set, const Tensor& plain, const OnProgress& on_progress) const;

 private:
  nn::Classifier& network_;
  size_t stages_;
  int views_;
  uint64_t seed_;
};

// The sets of one run, above a frozen trunk: what the trunk says of them is kept in memory, or asked anew for
// each batch; both give the same bits.
class AboveTrunk {
 public:
  // `validation` may be null. Runs the trunk over all sets where `kept`.
  AboveTrunk(Trunk trunk, const Examples& train, const Examples& test, const Examples* validation, bool kept,
             const OnProgress& on_progress);
  // Makes the task one on activations; its evaluate tells `on_test` what it says.
  void take_over(Task& task, const std::function<void(const Evaluation&)>& on_test) const;
  // The first n held-out samples, as evaluate scores them: what the memory plan tries.
  void score_some(int64_t n) const;

 private:
  Evaluation score(const Examples& set, const std::vector<Tensor>& kept) const;
  Trunk trunk_;
  const Examples &train_, &test_;
  const Examples* validation_;
  const OnProgress& on_progress_;
  std::vector<Tensor> train_kept_, test_kept_, validation_kept_;  // by view; empty where nothing is kept
};

}  // namespace graft::transfer
