#include "nn/layers.h"

#include <algorithm>
#include <cmath>

#include "core/place.h"
#include "core/rng.h"
#include "core/step_graph.h"
#include "kernels/batch_norm.h"
#include "kernels/binary.h"

namespace graft::nn {
namespace {

Var as_input(const Parameter& parameter, const Var& x) {
  return rounded_to(parameter, x.value().dtype());
}

// What a layer computes with in place of its weight; undefined where its adapter works on the output.
Var weight_for(const Parameter& weight, const Adapter* adapter, const Var& x) {
  DType dtype = x.value().dtype();
  return rounded_to(adapter ? adapter->moved_weight(weight.var, dtype) : weight.var, dtype);
}

}  // namespace

Var rounded_to(const Var& p, DType dtype) {
  bool rounds = p && p.value().dtype() == DType::f32 && dtype == DType::bf16;
  return rounds ? cast(p, DType::bf16) : p;
}

Conv2d::Conv2d(const Config& config, DType dtype) : how{config.stride, config.padding, config.groups} {
  GRAFT_CHECK(config.groups >= 1 && config.in % config.groups == 0 && config.out % config.groups == 0,
              "Conv2d: channels ", config.in, " -> ", config.out, " do not divide into ", config.groups,
              " groups");
  Shape shape = {config.out, config.size, config.size, config.in / config.groups};
  weight = Parameter(Tensor::untouched_zeros(shape, dtype));
  if (config.bias) bias = Parameter(Tensor::zeros({config.out}, dtype));
}

void Conv2d::parts(Parts& p) {
  p("weight", weight, Published::conv_oihw).optional("bias", bias);
  if (adapter) p("adapter", *adapter);
}

Var Conv2d::weight_on(const Var& x) const {
  return weight_for(weight, adapter.get(), x);
}

Var Conv2d::forward(const Var& x) const {
  Place here(static_cast<const Module*>(this));
  Var w = weight_on(x);
  Var y = conv2d(x, w ? w : as_input(weight, x), as_input(bias, x), how);
  return seen(w ? y : adapter->adapt(x, y));
}

Linear::Linear(const Config& config, DType dtype)
    : weight(Tensor::untouched_zeros({config.out, config.in}, dtype)), published_(config.published) {
  if (config.bias) bias = Parameter(Tensor::zeros({config.out}, dtype));
}

void Linear::parts(Parts& p) {
  p("weight", weight, published_).optional("bias", bias);
  if (adapter) p("adapter", *adapter);
}

Var Linear::weight_on(const Var& x) const {
  return weight_for(weight, adapter.get(), x);
}

Var Linear::forward(const Var& x) const {
  return forward(x, Activation::none);
}

Var Linear::forward(const Var& x, Activation activation, const Var& residual) const {
  Place here(static_cast<const Module*>(this));
  Var w = weight_on(x);
  bool one_pass = activation == Activation::none && !residual;
  // An observer is shown the linear map itself, and an adapter may work on it.
  if (w && (one_pass || !is_observed()))
    return seen(linear_act(x, w, as_input(bias, x), activation, residual));
  Var y = linear(x, w ? w : as_input(weight, x), as_input(bias, x));
  y = seen(w ? y : adapter->adapt(x, y));
  return activate(residual ? add(y, residual) : y, activation);
}

void Linear::init(const Init& init, const std::string& name) {
  double bound = 1 / std::sqrt(static_cast<double>(fan_in(weight)));
  init.uniform(weight, name + ".weight", bound);
  if (bias.var) init.uniform(bias, name + ".bias", bound);
}

BatchNorm2d::BatchNorm2d(int64_t channels, DType dtype, BatchNorm batch_norm)
    : weight(Tensor::full({channels}, 1, dtype)),
      bias(Tensor::zeros({channels}, dtype)),
      running_mean(Tensor::zeros({channels}, dtype)),
      running_var(Tensor::full({channels}, 1, dtype)),
      num_batches_tracked(Tensor::zeros({}, DType::i64)),
      how(batch_norm) {}

void BatchNorm2d::parts(Parts& p) {
  p("weight", weight)("bias", bias);
  p("running_mean", running_mean)("running_var", running_var)("num_batches_tracked", num_batches_tracked);
}

bool BatchNorm2d::keeps_statistics() const {
  if (!training()) return true;
  if (running_mean.freeze == Freeze::frozen || running_var.freeze == Freeze::frozen) return true;
  if (running_mean.freeze == Freeze::frozen_adapt_stats) return false;
  return weight.freeze == Freeze::frozen || bias.freeze == Freeze::frozen;
}

std::pair<Tensor, Tensor> BatchNorm2d::scale_and_shift() const {
  const Tensor &w = weight.var.value(), &b = bias.var.value();
  Tensor inverse = w.empty_like(), scale = w.empty_like(), shift = w.empty_like();
  kernels::inverse_deviation(running_var.value.contiguous(), how.eps, inverse);
  kernels::batch_norm_affine(running_mean.value.contiguous(), inverse, w.contiguous(), b.contiguous(), scale,
                             shift);
  return {scale, shift};
}

Var BatchNorm2d::forward(const Var& x, Activation activation, const Var& residual) {
  Place here(static_cast<const Module*>(this));
  // An observer is shown the norm itself.
  if (is_observed() && (activation != Activation::none || residual)) {
    Var y = forward(x);
    return activate(residual ? add(y, residual) : y, activation);
  }
  const Tensor &mean = running_mean.value, &variance = running_var.value;
  BatchNorm step = how;
  step.act = activation;
  step.residual = residual;
  if (keeps_statistics()) return seen(batch_norm_frozen(x, weight.var, bias.var, mean, variance, step));
  if (num_batches_tracked.freeze != Freeze::frozen) {
    every_step("batch norm", [count = num_batches_tracked.value] { ++*count.data<int64_t>(); });
  }
  return seen(batch_norm_train(x, weight.var, bias.var, mean, variance, step));
}

Dropout::Dropout(double p, uint64_t seed) : seed_(seed) {
  set_p(p);
}

void Dropout::set_p(double p) {
  GRAFT_CHECK_AS(UsageError, p >= 0 && p < 1, "Dropout: probability ", p, " is not in [0, 1)");
  p_ = p;
}

Var Dropout::forward(const Var& x) {
  Place here(static_cast<const Module*>(this));
  if (!training() || p_ == 0) return seen(x);
  auto seed = std::make_shared<uint64_t>();  // of its own for each draw
  every_step("dropout", [this, seed] {
    auto words = philox(seed_, draws_++, 0);
    *seed = words[0] | uint64_t{words[1]} << 32;
  });
  return seen(dropout(x, p_, seed));
}

Var activate(const Var& x, Activation activation) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return relu(x);
    case Activation::relu6: return relu6(x);
    case Activation::gelu: return gelu(x);
    case Activation::gelu_tanh: return gelu_tanh(x);
  }
  return x;
}

namespace {

// Does nothing ask for a gradient of the convolution's result or of these? An adapter does, by itself.
bool is_fixed(const Conv2d& conv, std::initializer_list<Var> others) {
  if (NoGrad::active()) return true;
  return !conv.adapter && !conv.weight.var.needs_grad() && !conv.bias.var.needs_grad() &&
         std::none_of(others.begin(), others.end(), [](const Var& v) { return v.needs_grad(); });
}

}  // namespace

Var conv_bn(const Conv2d& conv, BatchNorm2d& bn, Activation activation, const Var& x, const Var& residual) {
  if (bn.keeps_statistics() && is_fixed(conv, {x, bn.weight.var, bn.bias.var, residual})) {
    Place here(static_cast<const Module*>(&conv));
    if (Var weight = conv.weight_on(x)) {
      auto [scale, shift] = bn.scale_and_shift();
      if (conv.bias.var) {
        Tensor moved = scale.empty_like();
        kernels::multiply(scale, conv.bias.var.value().contiguous(), moved);
        kernels::add(shift, moved, shift);
      }
      return conv2d_affine(x, weight, conv.how, scale, shift, residual, activation);
    }
  }
  return bn.forward(conv.forward(x), activation, residual);
}

Var conv_act(const Conv2d& conv, Activation activation, const Var& x) {
  Place here(static_cast<const Module*>(&conv));
  Var weight = is_fixed(conv, {x}) ? conv.weight_on(x) : Var();
  if (!weight) return activate(conv.forward(x), activation);
  Tensor shift = conv.bias.var ? conv.bias.var.value() : Tensor();
  return conv2d_affine(x, weight, conv.how, {}, shift, {}, activation);
}

ConvBn::ConvBn(Conv2d::Config config, Activation a, DType dtype)
    : conv((config.bias = false, config), dtype), bn(config.out, dtype), activation(a) {}

}  // namespace graft::nn
