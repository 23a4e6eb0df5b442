#include "nn/adapters.h"

namespace graft::nn {
namespace {

DType type_of(const auto& layer) {
  return layer.weight.var.value().dtype();
}

int64_t at_least_one(const char* what, int64_t n) {
  GRAFT_CHECK_AS(UsageError, n >= 1, what, " is ", n, ", expected 1 or more");
  return n;
}

Linear down_of(const Linear& layer, int64_t rank) {
  return Linear({.in = layer.weight.var.dim(1), .out = rank, .bias = false}, type_of(layer));
}
Conv2d down_of(const Conv2d& layer, int64_t rank) {
  GRAFT_CHECK_AS(UsageError, layer.how.groups == 1, "LoRA: a convolution in ", layer.how.groups,
                 " groups has no update of low rank; choose layers with one group");
  const Var& w = layer.weight.var;
  return Conv2d({.in = w.dim(3),
                 .out = rank,
                 .size = w.dim(1),
                 .stride = layer.how.stride,
                 .padding = layer.how.padding,
                 .bias = false},
                type_of(layer));
}

Linear up_of(const Linear& layer, int64_t rank) {
  return Linear({.in = rank, .out = layer.weight.var.dim(0), .bias = false}, type_of(layer));
}
Conv2d up_of(const Conv2d& layer, int64_t rank) {
  return Conv2d({.in = rank, .out = layer.weight.var.dim(0), .size = 1, .bias = false}, type_of(layer));
}

}  // namespace

bool moving_is_cheaper(int64_t window, int64_t channels, int64_t outputs, int64_t rank) {
  // In multiply-adds a pixel of the output, beyond what the frozen layer costs either way. To walk over a map
  // once more in each of several small operations (the product scaled, added, its gradient scaled and added
  // on the way back) takes as long as about 100 of them a value: measured on a processor with AVX-512 over
  // the layers of MobileNetV2, ResNet-18 and BERT with ranks of 4, 8 and 32.
  constexpr int64_t kWalked = 100;
  int64_t inputs = window * channels;
  // Forward and the gradients of both factors cost down and up as much each.
  int64_t beside = 3 * rank * (inputs + outputs) + kWalked * (channels + outputs);
  int64_t moved = inputs * outputs;  // the weight's gradient; B A is small beside a map
  return moved < beside;
}

template <class Layer>
LowRank<Layer>::LowRank(const Layer& layer, const Config& config)
    : down(down_of(layer, at_least_one("LoRA: the rank", config.rank))),
      up(up_of(layer, config.rank)),
      drop(config.dropout, config.seed),
      scale(config.scale),
      way(config.way) {}

template <class Layer>
Var LowRank<Layer>::adapt(const Var& x, const Var& y) {
  return add(y, graft::scale(up.forward(down.forward(drop.forward(x))), scale));
}

template <class Layer>
Var LowRank<Layer>::moved_weight(const Var& weight, DType dtype) const {
  if (way == Way::beside || drop.p() > 0 || dtype != weight.value().dtype()) return {};
  const Shape& a = down.weight.var.shape();
  int64_t rank = a[0], outputs = weight.dim(0), channels = a[-1], window = 1;
  for (int axis = 1; axis + 1 < a.rank(); ++axis) window *= a[axis];
  if (way == Way::cheaper && !moving_is_cheaper(window, channels, outputs, rank)) return {};
  return add(weight, update());
}

template <class Layer>
Var LowRank<Layer>::update() const {
  const Var &a = down.weight.var, &b = up.weight.var;
  Shape shape = a.shape();
  int64_t rank = shape[0], outputs = b.dim(0);
  shape[0] = outputs;
  Var left = graft::scale(reshape(b, {outputs, rank}), scale);  // the smaller one
  return reshape(matmul(left, reshape(a, {rank, a.value().numel() / rank})), shape);
}

template <class Layer>
Tensor LowRank<Layer>::weight_update() const {
  NoGrad no_grad;
  return update().value();
}

template class LowRank<Linear>;
template class LowRank<Conv2d>;

Bottleneck::Bottleneck(int64_t channels, int64_t width, DType dtype)
    : down(channels, at_least_one("adapter: the width", width), dtype), up(width, channels, dtype) {}

Var Bottleneck::adapt(const Var&, const Var& y) {
  return add(y, up.forward(relu(down.forward(y))));
}

}  // namespace graft::nn
