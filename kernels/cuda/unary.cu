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

void scale(const Tensor& x, double factor, const Tensor& y) {
  map_elements("scale", scalar::Scale<float>{static_cast<float>(factor)}, y, x);
}

}  // namespace graft::kernels::cuda
