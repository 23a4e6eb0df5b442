#include "autograd/ops.h"
#include "kernels/matmul.h"

namespace graft {

Var linear(const Var& x, const Var& weight, const Var& bias) {
  GRAFT_CHECK(weight.shape().rank() == 2, "linear: weight ", weight.value(), " is not [outputs, inputs]");
  int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  GRAFT_CHECK(x.shape().rank() >= 1 && x.dim(-1) == inputs, "linear: last axis of ", x.value(),
              " is not the ", inputs, " inputs of weight ", weight.value());
  DType dtype = x.value().dtype();
  GRAFT_CHECK(weight.value().dtype() == dtype, "linear: x ", x.value(), " and weight ", weight.value(),
              " differ in type");
  GRAFT_CHECK(!bias || (bias.shape() == Shape{outputs} && bias.value().dtype() == dtype), "linear: bias ",
              bias ? to_text(bias.value()) : "", " is not ", dtype, Shape{outputs});

  Shape shape = x.shape();
  int64_t rows = inputs == 0 ? shape.numel() : shape.numel() / inputs;
  if (inputs == 0) {
    rows = 1;
    for (int axis = 0; axis + 1 < shape.rank(); ++axis) rows *= shape[axis];
  }
  Shape out_shape = shape;
  out_shape[-1] = outputs;
  Tensor left = x.value().contiguous().reshape({rows, inputs}), right = weight.value().contiguous();
  Tensor y = Tensor::empty(out_shape, dtype, x.value().device());
  kernels::matmul_nt(left, right, bias ? bias.value().contiguous() : Tensor(), y.reshape({rows, outputs}));

  // x is kept for the weight's gradient and the weight for x's: only where that gradient is wanted.
  Tensor kept_x = weight.needs_grad() ? left : Tensor(), kept_weight = x.needs_grad() ? right : Tensor();
  bool bias_grad = bias.needs_grad();
  std::vector<Var> parents = {x, weight};
  if (bias) parents.push_back(bias);
  return record("linear", y, parents, [=, count = parents.size()](const Tensor& dy) {
    Tensor flat = dy.reshape({rows, outputs});
    Grads grads(count);
    if (kept_weight) {
      grads[0] = Tensor::empty(shape, dtype, dy.device());
      kernels::matmul_nn(flat, kept_weight, grads[0].reshape({rows, inputs}));
    }
    if (kept_x) {
      grads[1] = Tensor::empty({outputs, inputs}, dtype, dy.device());
      kernels::matmul_tn(flat, kept_x, grads[1]);
    }
    if (bias_grad) {
      grads[2] = Tensor::empty({outputs}, dtype, dy.device());
      kernels::sum_rows(flat, grads[2]);
    }
    return grads;
  });
}

}  // namespace graft
