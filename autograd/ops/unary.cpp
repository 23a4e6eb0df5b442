#include "kernels/unary.h"

#include "autograd/ops.h"

namespace graft {
namespace {

using Forward = void (*)(const Tensor& x, const Tensor& y);
using Backward = void (*)(const Tensor& kept, const Tensor& dy, const Tensor& dx);

// For functions whose slope can be told from the output: keeps y, not x.
Var from_output(const char* op, const Var& x, Forward forward, Backward backward) {
  Tensor value = x.value().contiguous();
  Tensor y = value.empty_like();
  forward(value, y);
  return record(op, y, {x}, [y, backward](const Tensor& dy) {
    Tensor dx = y.empty_like();
    backward(y, dy, dx);
    return Grads{dx};
  });
}

// For the others: keeps x.
Var from_input(const char* op, const Var& x, Forward forward, Backward backward) {
  Tensor value = x.value().contiguous();
  Tensor y = value.empty_like();
  forward(value, y);
  return record(op, y, {x}, [value, backward](const Tensor& dy) {
    Tensor dx = value.empty_like();
    backward(value, dy, dx);
    return Grads{dx};
  });
}

}  // namespace

Var relu(const Var& x) {
  return from_output("relu", x, kernels::relu, kernels::relu_grad);
}
Var relu6(const Var& x) {
  return from_output("relu6", x, kernels::relu6, kernels::relu6_grad);
}
Var gelu(const Var& x) {
  return from_input("gelu", x, kernels::gelu, kernels::gelu_grad);
}
Var gelu_tanh(const Var& x) {
  return from_input("gelu_tanh", x, kernels::gelu_tanh, kernels::gelu_tanh_grad);
}
Var quick_gelu(const Var& x) {
  return from_input("quick_gelu", x, kernels::quick_gelu, kernels::quick_gelu_grad);
}
Var silu(const Var& x) {
  return from_input("silu", x, kernels::silu, kernels::silu_grad);
}
Var sigmoid(const Var& x) {
  return from_output("sigmoid", x, kernels::sigmoid, kernels::sigmoid_grad);
}
Var tanh(const Var& x) {
  return from_output("tanh", x, kernels::tanh, kernels::tanh_grad);
}
Var exp(const Var& x) {
  return from_output("exp", x, kernels::exp, kernels::exp_grad);
}

Var scale(const Var& x, double factor) {
  Tensor value = x.value().contiguous(), y = value.empty_like();
  kernels::scale(value, factor, y);
  return record("scale", y, {x}, [factor](const Tensor& dy) {
    Tensor dx = dy.empty_like();
    kernels::scale(dy, factor, dx);
    return Grads{dx};
  });
}

}  // namespace graft
