#include "kernels/linear.h"

#include <algorithm>

#include "autograd/ops.h"
#include "kernels/matmul.h"
#include "kernels/unary.h"

namespace graft {
namespace {

// Checks the inputs and gives the result's shape.
Shape linear_shape(const char* op, const Var& x, const Var& weight, const Var& bias, const Var& residual) {
  GRAFT_CHECK(weight.shape().rank() == 2, op, ": weight ", weight.value(), " is not [outputs, inputs]");
  int64_t outputs = weight.dim(0), inputs = weight.dim(1);
  GRAFT_CHECK(x.shape().rank() >= 1 && x.dim(-1) == inputs, op, ": last axis of ", x.value(), " is not the ",
              inputs, " inputs of weight ", weight.value());
  DType dtype = x.value().dtype();
  GRAFT_CHECK(weight.value().dtype() == dtype, op, ": x ", x.value(), " and weight ", weight.value(),
              " differ in type");
  GRAFT_CHECK(!bias || (bias.shape() == Shape{outputs} && bias.value().dtype() == dtype), op, ": bias ",
              bias ? to_text(bias.value()) : "", " is not ", dtype, Shape{outputs});
  Shape shape = x.shape();
  shape[-1] = outputs;
  GRAFT_CHECK(!residual || (residual.shape() == shape && residual.value().dtype() == dtype), op,
              ": residual ", residual ? to_text(residual.value()) : "", " is not ", dtype, shape);
  return shape;
}

// The gradient of what `act` was applied to. `kept`: of GELU that itself, of the others the result.
Tensor activation_grad(Activation act, const Tensor& kept, const Tensor& dy) {
  if (act == Activation::none) return dy;
  Tensor d = dy.empty_like();
  switch (act) {
    case Activation::relu: kernels::relu_grad(kept, dy, d); break;
    case Activation::relu6: kernels::relu6_grad(kept, dy, d); break;
    case Activation::gelu: kernels::gelu_grad(kept, dy, d); break;
    case Activation::gelu_tanh: kernels::gelu_tanh_grad(kept, dy, d); break;
    case Activation::none: break;
  }
  return d;
}

bool any_needs_grad(const std::vector<Var>& vars) {
  if (NoGrad::active()) return false;
  return std::any_of(vars.begin(), vars.end(), [](const Var& v) { return v.needs_grad(); });
}

}  // namespace

Var linear_act(const Var& x, const Var& weight, const Var& bias, Activation act, const Var& residual) {
  Shape shape = x.shape(), out_shape = linear_shape("linear", x, weight, bias, residual);
  int64_t outputs = weight.dim(0), inputs = weight.dim(1), rows = 1;
  for (int axis = 0; axis + 1 < shape.rank(); ++axis) rows *= shape[axis];
  DType dtype = x.value().dtype();

  std::vector<Var> parents = {x, weight};
  if (bias) parents.push_back(bias);
  if (residual) parents.push_back(residual);
  Tensor left = x.value().contiguous().reshape({rows, inputs}), right = weight.value().contiguous();
  Tensor y = Tensor::empty(out_shape, dtype, left.device()), before;
  bool curved = act == Activation::gelu || act == Activation::gelu_tanh;
  if (curved && any_needs_grad(parents)) before = y.empty_like();
  auto flat_or_none = [&](const Var& v) {
    return v ? v.value().contiguous().reshape({rows, outputs}) : Tensor();
  };
  kernels::LinearEpilogue after{bias ? bias.value().contiguous() : Tensor(), flat_or_none(residual), act,
                                before ? before.reshape({rows, outputs}) : before};
  kernels::linear(left, right, after, y.reshape({rows, outputs}));

  // x is kept for the weight's gradient and the weight for x's: only where that gradient is wanted.
  Tensor kept_x = weight.needs_grad() ? left : Tensor(), kept_weight = x.needs_grad() ? right : Tensor();
  Tensor kept = curved ? before : act == Activation::none ? Tensor() : y;
  bool bias_grad = bias.needs_grad(), residual_grad = residual.needs_grad();
  return record("linear", y, parents, [=, count = parents.size()](const Tensor& dy) {
    Tensor d = activation_grad(act, kept, dy), flat = d.reshape({rows, outputs});
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
    if (residual_grad) grads.back() = d;
    return grads;
  });
}

Var linear(const Var& x, const Var& weight, const Var& bias) {
  return linear_act(x, weight, bias, Activation::none);
}

}  // namespace graft
