#include "nn/optim/clip.h"

#include <cmath>

#include "kernels/reduce.h"
#include "kernels/unary.h"

namespace graft::nn {

double gradient_norm(const std::vector<Var>& parameters) {
  std::vector<Tensor> grads;
  for (const Var& parameter : parameters) {
    if (parameter.needs_grad() && parameter.grad().defined()) grads.push_back(parameter.grad().contiguous());
  }
  if (grads.empty()) return 0;
  // One number for each gradient, and one wait for them all.
  int64_t count = static_cast<int64_t>(grads.size());
  Tensor each = Tensor::empty({count}, DType::f64, grads[0].device());
  for (int64_t i = 0; i < count; ++i) {
    kernels::sum_squares(grads[static_cast<size_t>(i)], each.slice(0, i, i + 1));
  }
  double squares = 0;
  each = each.to(kCpu);
  for (double square : each.span<double>()) squares += square;
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
