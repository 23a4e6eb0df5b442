// Forward and backward of one batch: what training is made of.
#pragma once

#include <map>
#include <span>

#include "core/step_graph.h"
#include "transfer/batch_loss.h"
#include "transfer/gradient_sum.h"
#include "transfer/stepper.h"
#include "transfer/train.h"

namespace graft::transfer {

struct BatchResult {
  Tensor loss, logits;
  std::span<const Tensor> gradients;  // of the stepper's parameters
};

// Of batches of one size: on an accelerator one recording, fed anew for each batch. The optimizer's step is
// not a part of it: first the CPU sees that loss and gradients are finite.
class BatchGraph {
 public:
  BatchGraph(const Task& task, const Recipe& recipe)
      : task_(task), loss_(task, recipe), graph_(task.device) {}

  // Inputs and targets are on the CPU. Valid until the next run. Of a member of a team the gradients are
  // `share` times those of its loss, and `sum` follows them; where there is no sum, `done` is told of each.
  BatchResult run(const Tensor& inputs, const Targets& targets, Stepper& stepper, GradientSum* sum = nullptr,
                  double share = 1, const LeafDone& done = {});

 private:
  const Task& task_;
  Tensor x_, share_;
  BatchLoss loss_;
  StepGraph graph_;
};

// Of batches of any size: the recipe's, and that of an epoch's last one. Where nothing is recorded there is
// one graph, made anew for each batch.
class BatchGraphs {
 public:
  BatchGraphs(const Task& task, const Recipe& recipe) : task_(task), recipe_(recipe) {}
  BatchResult run(const Tensor& inputs, const Targets& targets, Stepper& stepper, GradientSum* sum = nullptr,
                  double share = 1, const LeafDone& done = {});
  // Call where another set of tensors trains from now on: recordings would go on without them.
  void forget() { graphs_.clear(); }

 private:
  const Task& task_;
  const Recipe& recipe_;
  std::map<int64_t, BatchGraph> graphs_;
};

}  // namespace graft::transfer
