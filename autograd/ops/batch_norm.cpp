#include "kernels/batch_norm.h"

#include "autograd/ops.h"

namespace graft {
namespace {

void check(const char* op, const Var& x, const Var& weight, const Var& bias, const Tensor& mean,
           const Tensor& variance) {
  GRAFT_CHECK(x.shape().rank() >= 2 && x.dim(-1) > 0, op, ": needs [..., C] with at least two axes, got ",
              x.shape());
  DType wide = x.value().dtype() == DType::bf16 ? DType::f32 : x.value().dtype();
  auto check_channels = [&](const char* name, const Tensor& t) {
    GRAFT_CHECK(t.shape() == Shape{x.dim(-1)} && t.dtype() == wide, op, ": ", name, " is ", t, ", but ",
                x.value(), " needs ", wide, Shape{x.dim(-1)});
  };
  check_channels("weight", weight.value());
  check_channels("bias", bias.value());
  check_channels("running mean", mean);
  check_channels("running variance", variance);
}

}  // namespace

Var batch_norm_train(const Var& x, const Var& weight, const Var& bias, const Tensor& running_mean,
                     const Tensor& running_var, BatchNorm how) {
  check("batch_norm_train", x, weight, bias, running_mean, running_var);
  GRAFT_CHECK(running_mean.is_contiguous() && running_var.is_contiguous(),
              "batch_norm_train: running statistics are not contiguous, so they cannot be moved in place");
  int64_t rows = x.value().numel() / x.dim(-1);
  GRAFT_CHECK(rows > 1, "batch_norm_train: needs more than one value per channel to take a variance of, got ",
              x.shape(), "; use a larger batch, or freeze this layer's statistics");
  Tensor value = x.value().contiguous(), w = weight.value().contiguous(), b = bias.value().contiguous();
  Tensor mean = w.empty_like(), variance = w.empty_like(), inverse = w.empty_like(), y = value.empty_like();
  kernels::channel_statistics(value, mean, variance);
  kernels::update_running_statistics(mean, variance, rows, how.momentum, running_mean, running_var);
  kernels::inverse_deviation(variance, how.eps, inverse);
  kernels::batch_norm(value, mean, inverse, w, b, y);
  return record("batch_norm_train", y, {x, weight, bias},
                [value, mean, inverse, w, wants_dx = x.needs_grad()](const Tensor& dy) {
                  Tensor dweight = w.empty_like(), dbias = w.empty_like(), dx;
                  kernels::batch_norm_grad_parameters(value, dy, mean, inverse, dweight, dbias);
                  if (wants_dx) {
                    dx = value.empty_like();
                    kernels::batch_norm_grad_input(value, dy, mean, inverse, w, dweight, dbias, dx);
                  }
                  return Grads{dx, dweight, dbias};
                });
}

Var batch_norm_frozen(const Var& x, const Var& weight, const Var& bias, const Tensor& running_mean,
                      const Tensor& running_var, BatchNorm how) {
  check("batch_norm_frozen", x, weight, bias, running_mean, running_var);
  Tensor value = x.value().contiguous(), w = weight.value().contiguous(), b = bias.value().contiguous();
  Tensor mean = running_mean.contiguous(), inverse = w.empty_like(), y = value.empty_like();
  kernels::inverse_deviation(running_var.contiguous(), how.eps, inverse);
  kernels::batch_norm(value, mean, inverse, w, b, y);
  // Only the gradients of weight and bias look at x. The mean is copied: the statistics may move before
  // backward.
  bool wants_parameters = weight.needs_grad() || bias.needs_grad();
  Tensor kept = wants_parameters ? value : Tensor();
  mean = wants_parameters ? mean.clone() : Tensor();
  return record("batch_norm_frozen", y, {x, weight, bias},
                [kept, mean, inverse, w, wants_dx = x.needs_grad()](const Tensor& dy) {
                  Tensor dweight, dbias, dx;
                  if (kept.defined()) {
                    dweight = w.empty_like();
                    dbias = w.empty_like();
                    kernels::batch_norm_grad_parameters(kept, dy, mean, inverse, dweight, dbias);
                  }
                  if (wants_dx) {
                    dx = dy.empty_like();
                    kernels::batch_norm_grad_input_frozen(dy, inverse, w, dx);
                  }
                  return Grads{dx, dweight, dbias};
                });
}

}  // namespace graft
