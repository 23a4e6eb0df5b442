#include "kernels/cross_entropy.h"

#include "autograd/ops.h"
#include "kernels/binary.h"

namespace graft {

Var cross_entropy(const Var& logits, const Tensor& labels, const CrossEntropy& how) {
  GRAFT_CHECK(logits.shape().rank() == 2 && logits.dim(1) > 0,
              "cross_entropy: needs logits [N, classes], got ", logits.shape());
  GRAFT_CHECK(labels.dtype() == DType::i64 && labels.shape() == Shape{logits.dim(0)},
              "cross_entropy: labels are ", labels, ", but logits ", logits.shape(), " need i64",
              Shape{logits.dim(0)});
  GRAFT_CHECK(how.label_smoothing >= 0 && how.label_smoothing <= 1, "cross_entropy: label smoothing ",
              how.label_smoothing, " is not between 0 and 1");
  GRAFT_CHECK(!how.class_weights.defined() || (how.class_weights.shape() == Shape{logits.dim(1)} &&
                                               how.class_weights.dtype() == logits.value().dtype()),
              "cross_entropy: class weights are ", how.class_weights, ", but logits ", logits.value(),
              " need ", logits.value().dtype(), Shape{logits.dim(1)});
  kernels::CrossEntropyArguments a;
  a.logits = logits.value().contiguous();
  a.labels = labels.contiguous();
  a.class_weights = how.class_weights.defined() ? how.class_weights.contiguous() : Tensor();
  a.label_smoothing = how.label_smoothing;
  a.ignore_index = how.ignore_index;
  a.loss = Tensor::empty({}, a.logits.dtype(), a.logits.device());
  if (logits.needs_grad() && !NoGrad::active()) a.dlogits = a.logits.empty_like();
  kernels::cross_entropy(a);
  return record("cross_entropy", a.loss, {logits}, [dlogits = a.dlogits](const Tensor& dy) {
    Tensor dx = dlogits.empty_like();
    kernels::multiply_scalar(dlogits, dy, dx);
    return Grads{dx};
  });
}

}  // namespace graft
