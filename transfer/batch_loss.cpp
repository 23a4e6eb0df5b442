#include "transfer/batch_loss.h"

#include "autograd/ops.h"
#include "core/step_graph.h"
#include "transfer/train.h"

namespace graft::transfer {

const Tensor& Targets::main_labels() const {
  return share.defined() && share.to(DType::f64).item() < 0.5 ? partners : labels;
}

void BatchLoss::feed(const Targets& targets) {
  auto take = [&](Tensor& place, const Tensor& values) {
    if (!values.defined()) return;
    if (!place.defined()) place = Tensor::empty(values.shape(), values.dtype(), task_.device);
    graft::feed(place, values);
  };
  take(labels_, targets.labels);
  take(partners_, targets.partners);
  take(share_, targets.share);
  take(rest_, targets.rest);
}

Var BatchLoss::of(const Var& logits) const {
  CrossEntropy how{.label_smoothing = recipe_.label_smoothing, .class_weights = task_.class_weights};
  Var loss = cross_entropy(logits, labels_, how);
  if (!partners_.defined()) return loss;
  return add(multiply(loss, Var(share_)), multiply(cross_entropy(logits, partners_, how), Var(rest_)));
}

}  // namespace graft::transfer
