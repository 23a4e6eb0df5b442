#include "autograd/ops.h"

namespace graft {

Var reshape(const Var& x, const Shape& shape) {
  return record("reshape", x.value().contiguous().reshape(shape), {x},
                [from = x.shape()](const Tensor& dy) { return Grads{dy.reshape(from)}; });
}

}  // namespace graft
