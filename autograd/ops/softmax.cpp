#include "kernels/softmax.h"

#include "autograd/ops.h"

namespace graft {

Var softmax(const Var& x) {
  GRAFT_CHECK(x.shape().rank() >= 1, "softmax: needs at least one axis, got ", x.shape());
  Tensor value = x.value().contiguous();
  Tensor y = value.empty_like();
  kernels::softmax(value, y);
  return record("softmax", y, {x}, [y](const Tensor& dy) {  // keeps y, not x
    Tensor dx = y.empty_like();
    kernels::softmax_grad(y, dy, dx);
    return Grads{dx};
  });
}

}  // namespace graft
