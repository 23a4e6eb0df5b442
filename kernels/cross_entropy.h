// Softmax and cross entropy in one, with the gradient. logits [N, K] contiguous, labels i64 [N]
// contiguous.
//
// Row i with label t has the targets q_k = (1 - s) w_t [k = t] + s / K w_k and the loss -sum_k q_k log
// softmax(logits_i)_k; the result is the sum of the losses over the sum of w_t, rows with the label
// `ignore_index` left out: PyTorch's cross_entropy with reduction "mean". s is the label smoothing (Szegedy
// et al., 2016), w the class weights (1 without). Sums are in double on the CPU; on a CUDA
// device those of a row in float. Throws DataError, naming row and value, for a label that is neither in [0,
// K) nor ignored; on a CUDA device, where nobody waits for the kernel, the next copy to the CPU or
// synchronize() throws.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

struct CrossEntropyArguments {
  Tensor logits;
  Tensor labels;
  Tensor class_weights;  // [K], the type of the logits, or undefined
  double label_smoothing = 0;
  int64_t ignore_index = -100;
  Tensor loss;     // one element, the type of the logits
  Tensor dlogits;  // as logits, or undefined where not wanted; rows that are ignored get 0

  const Tensor& lead() const { return logits; }
  template <class F>
  void for_each_tensor(F f) const {
    for (const Tensor* t : {&logits, &labels, &class_weights, &loss, &dlogits}) f(*t);
  }
};

GRAFT_KERNEL(cross_entropy, (const CrossEntropyArguments& arguments), (arguments))

}  // namespace graft::kernels
