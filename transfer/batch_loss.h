// What a batch should say, and how far it is from saying so.
#pragma once

#include <span>

#include "autograd/var.h"
#include "core/tensor.h"

namespace graft::transfer {

struct Task;
struct Recipe;

// Of one batch, on the CPU.
struct Targets {
  Targets(Tensor of_rows) : labels(std::move(of_rows)) {}  // NOLINT: labels alone are targets

  Tensor labels;         // i64 [M], -100 where a row does not count
  Tensor partners = {};  // of a mixed batch (mixing.h): each row's other label
  // And the shares of labels and partners, which make 1: scalars of the loss's type.
  Tensor share = {}, rest = {};

  // Of each row the label that has the larger share.
  const Tensor& main_labels() const;
};

// The recipe's loss of batches of one size. Its targets stand in tensors of the device that stay, so that a
// step that reads them can be recorded: feed() before each step, of() within.
class BatchLoss {
 public:
  BatchLoss(const Task& task, const Recipe& recipe) : task_(task), recipe_(recipe) {}
  void feed(const Targets& targets);
  // Cross-entropy of logits [M, classes] in f32 or f64; of a mixed batch share times that of the labels, plus
  // rest times that of the partners.
  Var of(const Var& logits) const;

 private:
  const Task& task_;
  const Recipe& recipe_;
  Tensor labels_, partners_, share_, rest_;
};

}  // namespace graft::transfer
