#include "nn/optim/clip.h"

#include <cmath>

#include "kernels/clip.h"

namespace graft::nn {

namespace {

bool has_gradient(const Var& parameter) {
  return parameter.needs_grad() && parameter.grad().defined();
}

kernels::TensorList gradients_of(const std::vector<Var>& parameters) {
  kernels::TensorList grads;
  for (const Var& parameter : parameters) {
    if (has_gradient(parameter)) grads.of.push_back(parameter.grad().contiguous());
  }
  return grads;
}

}  // namespace

double gradient_norm(const std::vector<Var>& parameters) {
  kernels::TensorList grads = gradients_of(parameters);
  if (grads.of.empty()) return 0;
  Tensor squares = Tensor::empty({}, DType::f64, grads.lead().device());
  kernels::sum_squares_of_all(grads, squares);
  return std::sqrt(squares.to(kCpu).item());
}

double clip_gradients(const std::vector<Var>& parameters, double max_norm) {
  GRAFT_CHECK_AS(UsageError, max_norm > 0, "clip_gradients: the largest norm ", max_norm, " is not above 0");
  double norm = gradient_norm(parameters);
  GRAFT_CHECK(std::isfinite(norm), "clip_gradients: the gradients' norm is ", norm,
              "; the training has diverged, try a lower learning rate");
  double factor = max_norm / (norm + 1e-6);
  if (factor >= 1) return norm;
  // Not in place: two parameters may share one gradient tensor.
  kernels::TensorList grads = gradients_of(parameters), scaled;
  for (const Tensor& grad : grads.of) scaled.of.push_back(grad.empty_like());
  kernels::scale_all(grads, factor, scaled);
  auto next = scaled.of.begin();
  for (const Var& parameter : parameters) {
    if (has_gradient(parameter)) parameter.set_grad(*next++);
  }
  return norm;
}

}  // namespace graft::nn
