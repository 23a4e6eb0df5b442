#include "kernels/batch_norm.h"

#include "autograd/ops.h"
#include "autograd/part_of_batch.h"

namespace graft {
namespace {

void check(const char* op, const Var& x, const Var& weight, const Var& bias, const Tensor& mean,
           const Tensor& variance, const BatchNorm& how) {
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
  GRAFT_CHECK(!how.residual ||
                  (how.residual.shape() == x.shape() && how.residual.value().dtype() == x.value().dtype()),
              op, ": residual ", how.residual ? to_text(how.residual.value()) : "", " is not like x ",
              x.value());
}

kernels::BatchNormAfter after(const BatchNorm& how) {
  return {how.residual ? how.residual.value().contiguous() : Tensor(), how.act};
}

// The gradient that comes back to an op whose output was y. `passed` is made where the residual wants it.
struct Back {
  Tensor y;  // undefined where nothing follows
  Activation act;
  bool has_residual, wants_residual;

  Back(const BatchNorm& how, const Tensor& output)
      : y(how.act == Activation::none ? Tensor() : output),
        act(how.act),
        has_residual(how.residual.defined()),
        wants_residual(has_residual && how.residual.needs_grad()) {}
  kernels::BatchNormGradient of(const Tensor& dy) const {
    return {dy, y, act, wants_residual && y ? dy.empty_like() : Tensor()};
  }
  // Once a kernel has written what passed, the next ones read it.
  static void settle(kernels::BatchNormGradient& g) {
    if (g.passed) g = {g.passed};
  }
  Grads grads(const Tensor& dx, const Tensor& dweight, const Tensor& dbias, const Tensor& passed) const {
    Grads all = {dx, dweight, dbias};
    if (has_residual) all.push_back(wants_residual ? passed : Tensor());
    return all;
  }
};

std::vector<Var> inputs(const Var& x, const Var& weight, const Var& bias, const BatchNorm& how) {
  std::vector<Var> all = {x, weight, bias};
  if (how.residual) all.push_back(how.residual);
  return all;
}

}  // namespace

Var batch_norm_train(const Var& x, const Var& weight, const Var& bias, const Tensor& running_mean,
                     const Tensor& running_var, const BatchNorm& how) {
  check("batch_norm_train", x, weight, bias, running_mean, running_var, how);
  GRAFT_CHECK(running_mean.is_contiguous() && running_var.is_contiguous(),
              "batch_norm_train: running statistics are not contiguous, so they cannot be moved in place");
  int64_t rows = x.value().numel() / x.dim(-1);
  PartOfBatch::Handle part = PartOfBatch::here();
  Tensor value = x.value().contiguous(), w = weight.value().contiguous(), b = bias.value().contiguous();
  Tensor mean = w.empty_like(), variance = w.empty_like(), inverse = w.empty_like(), y = value.empty_like();
  if (rows > 0) kernels::channel_statistics(value, mean, variance);
  int64_t all_rows = part ? whole_statistics(part, rows, mean, variance) : rows;
  GRAFT_CHECK(all_rows > 1,
              "batch_norm_train: needs more than one value per channel to take a variance of, got ",
              x.shape(), "; use a larger batch, or freeze this layer's statistics");
  kernels::update_running_statistics(mean, variance, all_rows, how.momentum, running_mean, running_var);
  kernels::inverse_deviation(variance, how.eps, inverse);
  kernels::batch_norm(value, mean, inverse, w, b, after(how), y);
  return record(
      "batch_norm_train", y, inputs(x, weight, bias, how),
      [value, mean, inverse, w, back = Back(how, y), wants_dx = x.needs_grad(), part,
       share =
           part.counts ? static_cast<double>(rows) / static_cast<double>(all_rows) : 0.0](const Tensor& dy) {
        Tensor dweight = w.empty_like(), dbias = w.empty_like(), dx;
        kernels::BatchNormGradient g = back.of(dy);
        kernels::batch_norm_grad_parameters(value, g, mean, inverse, dweight, dbias);
        Back::settle(g);
        if (wants_dx) {
          dx = value.empty_like();
          // The kernel divides by the rows of the part, and the whole's sums by the whole's.
          auto [sum_w, sum_b] = part ? whole_sums(part, dweight, dbias, share) : std::pair{dweight, dbias};
          kernels::batch_norm_grad_input(value, g, mean, inverse, w, sum_w, sum_b, dx);
        }
        return back.grads(dx, dweight, dbias, g.dy);
      });
}

Var batch_norm_frozen(const Var& x, const Var& weight, const Var& bias, const Tensor& running_mean,
                      const Tensor& running_var, const BatchNorm& how) {
  check("batch_norm_frozen", x, weight, bias, running_mean, running_var, how);
  Tensor value = x.value().contiguous(), w = weight.value().contiguous(), b = bias.value().contiguous();
  Tensor mean = running_mean.contiguous(), inverse = w.empty_like(), y = value.empty_like();
  kernels::inverse_deviation(running_var.contiguous(), how.eps, inverse);
  kernels::batch_norm(value, mean, inverse, w, b, after(how), y);
  // Only the gradients of weight and bias look at x. The mean is copied: the statistics may move before
  // backward.
  bool wants_parameters = weight.needs_grad() || bias.needs_grad();
  Tensor kept = wants_parameters ? value : Tensor();
  mean = wants_parameters ? mean.clone() : Tensor();
  return record("batch_norm_frozen", y, inputs(x, weight, bias, how),
                [kept, mean, inverse, w, back = Back(how, y), wants_dx = x.needs_grad()](const Tensor& dy) {
                  Tensor dweight, dbias, dx;
                  kernels::BatchNormGradient g = back.of(dy);
                  if (kept.defined()) {
                    dweight = w.empty_like();
                    dbias = w.empty_like();
                    kernels::batch_norm_grad_parameters(kept, g, mean, inverse, dweight, dbias);
                    Back::settle(g);
                  }
                  if (wants_dx || g.passed) {
                    dx = dy.empty_like();
                    kernels::batch_norm_grad_input_frozen(g, inverse, w, dx);
                    Back::settle(g);
                  }
                  return back.grads(wants_dx ? dx : Tensor(), dweight, dbias, g.dy);
                });
}

}  // namespace graft
