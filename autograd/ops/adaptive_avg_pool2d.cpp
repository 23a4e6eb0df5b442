#include "kernels/adaptive_avg_pool2d.h"

#include "autograd/ops.h"

namespace graft {

Var adaptive_avg_pool2d(const Var& x, int64_t rows, int64_t cols) {
  GRAFT_CHECK(x.shape().rank() == 4, "adaptive_avg_pool2d: needs [N, H, W, C], got ", x.shape());
  GRAFT_CHECK(x.dim(1) * x.dim(2) > 0, "adaptive_avg_pool2d: ", x.shape(), " has no pixels to average");
  GRAFT_CHECK(rows > 0 && cols > 0, "adaptive_avg_pool2d: a grid of ", rows, " x ", cols, " cells");
  if (x.dim(1) == rows && x.dim(2) == cols) return x;  // a pixel a cell
  Tensor value = x.value().contiguous();
  Tensor y = Tensor::empty({x.dim(0), rows, cols, x.dim(3)}, value.dtype(), value.device());
  kernels::adaptive_avg_pool2d(value, y);
  return record("adaptive_avg_pool2d", y, {x}, [shape = x.shape()](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
    kernels::adaptive_avg_pool2d_grad(dy, dx);
    return Grads{dx};
  });
}

}  // namespace graft
