#include "kernels/layer_norm.h"

#include "autograd/ops.h"

namespace graft {

Var layer_norm(const Var& x, const Var& weight, const Var& bias, double eps) {
  GRAFT_CHECK(x.shape().rank() >= 1 && x.dim(-1) > 0, "layer_norm: needs [..., C] with C above 0, got ",
              x.shape());
  DType wide = x.value().dtype() == DType::bf16 ? DType::f32 : x.value().dtype();
  for (auto [name, t] : {std::pair{"weight", weight.value()}, {"bias", bias.value()}}) {
    GRAFT_CHECK(t.shape() == Shape{x.dim(-1)} && t.dtype() == wide, "layer_norm: ", name, " is ", t, ", but ",
                x.value(), " needs ", wide, Shape{x.dim(-1)});
  }
  GRAFT_CHECK(eps >= 0, "layer_norm: eps ", eps, " is negative");
  Tensor value = x.value().contiguous(), w = weight.value().contiguous(), y = value.empty_like();
  Tensor mean = Tensor::empty({value.numel() / x.dim(-1)}, wide, value.device()), inverse = mean.empty_like();
  kernels::layer_norm(value, w, bias.value().contiguous(), eps, y, mean, inverse);
  bool wants_parameters = weight.needs_grad() || bias.needs_grad();
  return record("layer_norm", y, {x, weight, bias},
                [value, w, mean, inverse, wants_dx = x.needs_grad(), wants_parameters](const Tensor& dy) {
                  Tensor dx, dweight, dbias;
                  if (wants_dx) {
                    dx = value.empty_like();
                    kernels::layer_norm_grad_input(value, dy, w, mean, inverse, dx);
                  }
                  if (wants_parameters) {
                    dweight = w.empty_like();
                    dbias = w.empty_like();
                    kernels::layer_norm_grad_parameters(value, dy, mean, inverse, dweight, dbias);
                  }
                  return Grads{dx, dweight, dbias};
                });
}

}  // namespace graft
