#include "transfer/batch_graph.h"

#include "autograd/ops.h"

namespace graft::transfer {
namespace {

// bf16 has 8 bits: too few for a loss, and for the differences that are its gradient.
Var in_loss_type(const Var& logits) {
  return logits.value().dtype() == DType::bf16 ? cast(logits, DType::f32) : logits;
}

}  // namespace

BatchResult BatchGraph::run(const Tensor& inputs, const Targets& targets, Stepper& stepper, GradientSum* sum,
                            double share, const LeafDone& done) {
  if (!x_.defined()) x_ = Tensor::empty(inputs.shape(), inputs.dtype(), task_.device);
  feed(x_, inputs);
  loss_.feed(targets);
  if (share_.defined()) feed(share_, Tensor::full({}, share, share_.dtype()));
  const std::vector<Tensor>& results = graph_.run([&] {
    stepper.forget_gradients();
    Var logits = in_loss_type(task_.logits(Var(x_)));
    Var loss = loss_.of(logits);
    if (sum && !share_.defined()) share_ = Tensor::full({}, share, loss.value().dtype(), task_.device);
    backward(loss, share_, sum ? sum->leaf_done() : done);
    if (sum) sum->backward_is_over();
    std::vector<Tensor> out = stepper.gradients();
    out.insert(out.begin(), {loss.value(), logits.value()});
    return out;
  });
  return {results[0], results[1], std::span(results).subspan(2)};
}

BatchResult BatchGraphs::run(const Tensor& inputs, const Targets& targets, Stepper& stepper, GradientSum* sum,
                             double share, const LeafDone& done) {
  if (!task_.recordable) graphs_.clear();
  BatchGraph& graph = graphs_.try_emplace(inputs.dim(0), task_, recipe_).first->second;
  return graph.run(inputs, targets, stepper, sum, share, done);
}

}  // namespace graft::transfer
