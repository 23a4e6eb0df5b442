#include "kernels/unary.h"

#include "kernels/cuda/elementwise.h"
#include "kernels/unary_scalar.h"

namespace graft::kernels::cuda {

void relu(const Tensor& x, const Tensor& y) {
  map_elements("relu", scalar::Relu(), y, x);
}

void relu_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  map_elements("relu_grad", scalar::ReluGrad(), dx, y, dy);
}

void relu6(const Tensor& x, const Tensor& y) {
  map_elements("relu6", scalar::Relu6(), y, x);
}

void relu6_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  map_elements("relu6_grad", scalar::Relu6Grad(), dx, y, dy);
}

void gelu(const Tensor& x, const Tensor& y) {
  map_elements("gelu", scalar::Gelu(), y, x);
}

void gelu_grad(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  map_elements("gelu_grad", scalar::GeluGrad(), dx, x, dy);
}

void gelu_tanh(const Tensor& x, const Tensor& y) {
  map_elements("gelu_tanh", scalar::GeluTanh(), y, x);
}

void gelu_tanh_grad(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  map_elements("gelu_tanh_grad", scalar::GeluTanhGrad(), dx, x, dy);
}

void quick_gelu(const Tensor& x, const Tensor& y) {
  map_elements("quick_gelu", scalar::Swish<float>{static_cast<float>(scalar::kQuickGelu)}, y, x);
}

void quick_gelu_grad(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  map_elements("quick_gelu_grad", scalar::SwishGrad<float>{static_cast<float>(scalar::kQuickGelu)}, dx, x,
               dy);
}

void silu(const Tensor& x, const Tensor& y) {
  map_elements("silu", scalar::Swish<float>{1}, y, x);
}

void silu_grad(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  map_elements("silu_grad", scalar::SwishGrad<float>{1}, dx, x, dy);
}

void sigmoid(const Tensor& x, const Tensor& y) {
  map_elements("sigmoid", scalar::Sigmoid(), y, x);
}

void sigmoid_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  map_elements("sigmoid_grad", scalar::SigmoidGrad(), dx, y, dy);
}

void tanh(const Tensor& x, const Tensor& y) {
  map_elements("tanh", scalar::Tanh(), y, x);
}

void tanh_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  map_elements("tanh_grad", scalar::TanhGrad(), dx, y, dy);
}

void exp(const Tensor& x, const Tensor& y) {
  map_elements("exp", scalar::Exp(), y, x);
}

void exp_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  map_elements("exp_grad", scalar::ExpGrad(), dx, y, dy);
}

void scale(const Tensor& x, double factor, const Tensor& y) {
  map_elements("scale", scalar::Scale<float>{static_cast<float>(factor)}, y, x);
}

}  // namespace graft::kernels::cuda
