#include "nn/optim/clip.h"

#include <cmath>

#include "kernels/reduce.h"
#include "kernels/unary.h"

namespace graft::nn {

double gradient_norm(const std::vector<Var>& parameters) {
  double squares = 0;
  for (const Var& parameter : parameters) {
    if (!parameter.needs_grad() || !parameter.grad().defined()) continue;
    Tensor one = Tensor::empty({}, DType::f64, parameter.value().device());
    kernels::sum_squares(parameter.grad().contiguous(), one);
    squares += one.item();
  }
  return std::sqrt(squares);
}

double clip_gradients(const std::vector<Var>& parameters, double max_norm) {
  GRAFT_CHECK_AS(UsageError, max_norm > 0, "clip_gradients: the largest norm ", max_norm, " is not above 0");
  double norm = gradient_norm(parameters);
  GRAFT_CHECK(std::isfinite(norm), "clip_gradients: the gradients' norm is ", norm,
              "; the training has diverged, try a lower learning rate");
  double factor = max_norm / (norm + 1e-6);
  if (factor >= 1) return norm;
  for (const Var& parameter : parameters) {
    if (!parameter.needs_grad() || !parameter.grad().defined()) continue;
    // Not in place: two parameters may share one gradient tensor.
    Tensor grad = parameter.grad().contiguous(), scaled = grad.empty_like();
    kernels::scale(grad, factor, scaled);
    parameter.set_grad(scaled);
  }
  return norm;
}

}  // namespace graft::nn
