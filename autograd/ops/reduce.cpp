#include "kernels/reduce.h"

#include "autograd/ops.h"

namespace graft {
namespace {

// factor * (sum of all elements)
Var scaled_sum(const char* op, const Var& x, double factor) {
  Tensor value = x.value().contiguous();
  Tensor y = Tensor::empty({}, value.dtype(), value.device());
  kernels::sum(value, factor, y);
  return record(op, y, {x}, [shape = value.shape(), factor](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
    kernels::sum_grad(dy, factor, dx);
    return Grads{dx};
  });
}

}  // namespace

Var sum(const Var& x) {
  return scaled_sum("sum", x, 1);
}
Var mean(const Var& x) {
  return scaled_sum("mean", x, 1 / static_cast<double>(x.value().numel()));
}

}  // namespace graft
