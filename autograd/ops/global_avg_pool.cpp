#include "kernels/global_avg_pool.h"

#include "autograd/ops.h"

namespace graft {

Var global_avg_pool(const Var& x) {
  GRAFT_CHECK(x.shape().rank() == 4, "global_avg_pool: needs [N, H, W, C], got ", x.shape());
  GRAFT_CHECK(x.dim(1) * x.dim(2) > 0, "global_avg_pool: ", x.shape(), " has no pixels to average");
  Tensor value = x.value().contiguous();
  Tensor y = Tensor::empty({x.dim(0), x.dim(3)}, value.dtype(), value.device());
  kernels::global_avg_pool(value, y);
  return record("global_avg_pool", y, {x}, [shape = x.shape()](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
    kernels::global_avg_pool_grad(dy, dx);
    return Grads{dx};
  });
}

}  // namespace graft
