#include "kernels/scale_channels.h"

#include "autograd/ops.h"

namespace graft {

Var scale_channels(const Var& x, const Var& s) {
  GRAFT_CHECK(x.shape().rank() == 4, "scale_channels: needs pictures [N, H, W, C], got ", x.shape());
  GRAFT_CHECK(x.dim(1) * x.dim(2) > 0, "scale_channels: ", x.shape(), " has no pixels");
  GRAFT_CHECK(s.shape() == (Shape{x.dim(0), x.dim(3)}) && s.value().dtype() == x.value().dtype(),
              "scale_channels: factors ", s.value(), " for ", x.value(),
              "; needs one a picture and channel, [", x.dim(0), ", ", x.dim(3), "]");
  Tensor value = x.value().contiguous(), factors = s.value().contiguous(), y = value.empty_like();
  kernels::scale_channels(value, factors, y);
  return record("scale_channels", y, {x, s},
                [value, factors, of_x = x.needs_grad(), of_s = s.needs_grad()](const Tensor& dy) {
                  Tensor dx, ds;
                  if (of_x) kernels::scale_channels(dy, factors, dx = dy.empty_like());
                  if (of_s) kernels::scale_channels_grad_scale(value, dy, ds = factors.empty_like());
                  return Grads{dx, ds};
                });
}

}  // namespace graft
