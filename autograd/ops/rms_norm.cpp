#include "kernels/rms_norm.h"

#include "autograd/ops.h"

namespace graft {

Var rms_norm(const Var& x, const Var& weight, double eps) {
  GRAFT_CHECK(x.shape().rank() >= 1 && x.dim(-1) > 0, "rms_norm: needs [..., C] with C above 0, got ",
              x.shape());
  DType wide = x.value().dtype() == DType::bf16 ? DType::f32 : x.value().dtype();
  GRAFT_CHECK(weight.shape() == Shape{x.dim(-1)} && weight.value().dtype() == wide, "rms_norm: weight is ",
              weight.value(), ", but ", x.value(), " needs ", wide, Shape{x.dim(-1)});
  GRAFT_CHECK(eps >= 0, "rms_norm: eps ", eps, " is negative");
  Tensor value = x.value().contiguous(), w = weight.value().contiguous(), y = value.empty_like();
  Tensor inverse = Tensor::empty({value.numel() / x.dim(-1)}, wide, value.device());
  kernels::rms_norm(value, w, eps, y, inverse);
  return record(
      "rms_norm", y, {x, weight},
      [value, w, inverse, wants_dx = x.needs_grad(), wants_dweight = weight.needs_grad()](const Tensor& dy) {
        Tensor dx, dweight;
        if (wants_dx) {
          dx = value.empty_like();
          kernels::rms_norm_grad_input(value, dy, w, inverse, dx);
        }
        if (wants_dweight) {
          dweight = w.empty_like();
          kernels::rms_norm_grad_weight(value, dy, inverse, dweight);
        }
        return Grads{dx, dweight};
      });
}

}  // namespace graft
