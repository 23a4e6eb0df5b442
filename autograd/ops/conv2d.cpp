#include "kernels/conv2d.h"

#include "autograd/ops.h"
#include "kernels/matmul.h"

namespace graft {
namespace {

// Checks what x, weight and `how` must be to each other and gives the shape of the result.
Shape conv2d_shape(const char* op, const Var& x, const Var& weight, Conv2d how) {
  const Shape &xs = x.shape(), &ws = weight.shape();
  GRAFT_CHECK(xs.rank() == 4, op, ": x ", x.value(), " is not [N, H, W, C]");
  GRAFT_CHECK(ws.rank() == 4, op, ": weight ", weight.value(), " is not [O, KH, KW, I]");
  GRAFT_CHECK(x.value().dtype() == weight.value().dtype(), op, ": x ", x.value(), " and weight ",
              weight.value(), " differ in type");
  GRAFT_CHECK(how.stride >= 1 && how.padding >= 0 && how.groups >= 1, op, ": stride ", how.stride,
              ", padding ", how.padding, ", groups ", how.groups,
              "; needs stride and groups of at least 1 and no negative padding");
  GRAFT_CHECK(ws[1] >= 1 && ws[2] >= 1, op, ": weight ", weight.value(), " has an empty kernel");
  GRAFT_CHECK(ws[3] * how.groups == xs[3], op, ": ", how.groups, " groups of ", ws[3],
              " input channels are not the ", xs[3], " channels of x ", x.value(), " (weight ",
              weight.value(), ")");
  GRAFT_CHECK(ws[0] % how.groups == 0, op, ": ", ws[0], " output channels cannot be divided into ",
              how.groups, " groups");
  int64_t height = xs[1] + 2 * how.padding, width = xs[2] + 2 * how.padding;
  GRAFT_CHECK(height >= ws[1] && width >= ws[2], op, ": kernel ", ws[1], " x ", ws[2],
              " is larger than the padded picture ", height, " x ", width, " (x ", x.value(), ", padding ",
              how.padding, ")");
  return {xs[0], (height - ws[1]) / how.stride + 1, (width - ws[2]) / how.stride + 1, ws[0]};
}

void check_per_channel(const char* op, const char* name, const Tensor& t, int64_t channels, DType dtype) {
  GRAFT_CHECK(!t.defined() || (t.shape() == Shape{channels} && t.dtype() == dtype), op, ": ", name, " ", t,
              " is not ", dtype, Shape{channels});
}

Tensor contiguous_or_none(const Tensor& t) {
  return t.defined() ? t.contiguous() : t;
}

}  // namespace

Var conv2d(const Var& x, const Var& weight, const Var& bias, Conv2d how) {
  Shape shape = conv2d_shape("conv2d", x, weight, how);
  DType dtype = x.value().dtype();
  Tensor shift = bias ? bias.value().contiguous() : Tensor();
  check_per_channel("conv2d", "bias", shift, shape[3], dtype);

  kernels::ConvWindow window{how.stride, how.padding, how.groups};
  Tensor left = x.value().contiguous(), right = weight.value().contiguous();
  Tensor y = Tensor::empty(shape, dtype, left.device());
  kernels::conv2d(left, right, window, {.shift = shift}, y);

  // x is kept for the weight's gradient and the weight for x's: only where that gradient is wanted.
  Tensor kept_x = weight.needs_grad() ? left : Tensor(), kept_weight = x.needs_grad() ? right : Tensor();
  bool bias_grad = bias.needs_grad();
  std::vector<Var> inputs = {x, weight};
  if (bias) inputs.push_back(bias);
  Shape x_shape = x.shape(), weight_shape = weight.shape();
  return record("conv2d", y, inputs, [=, count = inputs.size()](const Tensor& dy) {
    Grads grads(count);
    if (kept_weight) {
      grads[0] = Tensor::empty(x_shape, dtype, dy.device());
      kernels::conv2d_grad_input(dy, kept_weight, window, grads[0]);
    }
    if (kept_x) {
      grads[1] = Tensor::empty(weight_shape, dtype, dy.device());
      kernels::conv2d_grad_weight(kept_x, dy, window, grads[1]);
    }
    if (bias_grad) {
      grads[2] = Tensor::empty({dy.dim(3)}, dtype, dy.device());
      kernels::sum_rows(dy.reshape({dy.dim(0) * dy.dim(1) * dy.dim(2), dy.dim(3)}), grads[2]);
    }
    return grads;
  });
}

Var conv2d_affine(const Var& x, const Var& weight, Conv2d how, const Tensor& scale, const Tensor& shift,
                  const Var& residual, Activation act) {
  const char* op = "conv2d_affine";
  Shape shape = conv2d_shape(op, x, weight, how);
  DType dtype = x.value().dtype();
  DType wide = dtype == DType::bf16 ? DType::f32 : dtype;
  check_per_channel(op, "scale", scale, shape[3], wide);
  check_per_channel(op, "shift", shift, shape[3], wide);
  GRAFT_CHECK(!residual || (residual.shape() == shape && residual.value().dtype() == dtype), op,
              ": residual ", residual ? to_text(residual.value()) : "", " is not ", dtype, shape);

  GRAFT_CHECK(act == Activation::none || act == Activation::relu || act == Activation::relu6, op,
              ": only relu and relu6 are made in the same pass; call the activation itself");
  Tensor y = Tensor::empty(shape, dtype, x.value().device());
  kernels::ConvEpilogue epilogue{contiguous_or_none(scale), contiguous_or_none(shift),
                                 residual ? residual.value().contiguous() : Tensor(), act};
  kernels::conv2d(x.value().contiguous(), weight.value().contiguous(), {how.stride, how.padding, how.groups},
                  epilogue, y);
  std::vector<Var> inputs = {x, weight};
  if (residual) inputs.push_back(residual);
  return record_no_grad(op, y, inputs);
}

}  // namespace graft
