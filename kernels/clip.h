// What clipping gradients by their norm needs, of many tensors at once. Contiguous, on one device; on a CUDA
// device f32 and bf16 may be mixed. There each is one launch for as many tensors as a kernel's arguments can
// hold.
#pragma once

#include <vector>

#include "kernels/dispatch.h"

namespace graft::kernels {

struct TensorList {
  std::vector<Tensor> of;  // at least one

  const Tensor& lead() const { return of.front(); }
  template <class F>
  void for_each_tensor(F f) const {
    for (const Tensor& t : of) f(t);
  }
};

// y = the sum of the squares of all elements; y has one element, f64. Accumulated in double, over fixed
// pieces that are added in their order.
GRAFT_KERNEL(sum_squares_of_all, (const TensorList& x, const Tensor& y), (x, y))
// y[i] = factor * x[i], tensor by tensor; y[i] may be x[i].
GRAFT_KERNEL(scale_all, (const TensorList& x, double factor, const TensorList& y), (x, factor, y))

}  // namespace graft::kernels
