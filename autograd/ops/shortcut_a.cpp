#include "kernels/shortcut_a.h"

#include "autograd/ops.h"

namespace graft {

Var shortcut_a(const Var& x, int64_t stride, int64_t channels) {
  GRAFT_CHECK(x.shape().rank() == 4, "shortcut_a: needs [N, H, W, C], got ", x.shape());
  GRAFT_CHECK(stride >= 1, "shortcut_a: stride ", stride, " is below 1");
  GRAFT_CHECK(channels >= x.dim(3), "shortcut_a: ", x.shape(), " has more than ", channels,
              " channels; zero channels can only be added");
  Tensor value = x.value().contiguous();
  int64_t before = (channels - x.dim(3)) / 2;
  Tensor y =
      Tensor::empty({x.dim(0), (x.dim(1) + stride - 1) / stride, (x.dim(2) + stride - 1) / stride, channels},
                    value.dtype(), value.device());
  kernels::shortcut_a(value, stride, before, y);
  return record("shortcut_a", y, {x}, [shape = x.shape(), stride, before](const Tensor& dy) {
    Tensor dx = Tensor::empty(shape, dy.dtype(), dy.device());
    kernels::shortcut_a_grad(dy, stride, before, dx);
    return Grads{dx};
  });
}

}  // namespace graft
