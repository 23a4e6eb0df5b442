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

template <class Layer>
LowRank<Layer>::LowRank(const Layer& layer, const Config& config)
    : down(down_of(layer, at_least_one("LoRA: the rank", config.rank))),
      up(up_of(layer, config.rank)),
      drop(config.dropout, config.seed),
      scale(config.scale) {}

template <class Layer>
Var LowRank<Layer>::adapt(const Var& x, const Var& y) {
  return add(y, graft::scale(up.forward(down.forward(drop.forward(x))), scale));
}

template <class Layer>
Tensor LowRank<Layer>::weight_update() const {
  NoGrad no_grad;
  const Tensor &a = down.weight.var.value(), &b = up.weight.var.value();
  int64_t rank = a.dim(0), out = b.dim(0);
  Var product = matmul(Var(b.reshape({out, rank})), Var(a.reshape({rank, a.numel() / rank})));
  std::vector<int64_t> sizes(a.shape().begin(), a.shape().end());
  sizes[0] = out;
  return graft::scale(product, scale).value().reshape(Shape(sizes));
}

template class LowRank<Linear>;
template class LowRank<Conv2d>;

Bottleneck::Bottleneck(int64_t channels, int64_t width, DType dtype)
    : down(channels, at_least_one("adapter: the width", width), dtype), up(width, channels, dtype) {}

Var Bottleneck::adapt(const Var&, const Var& y) {
  return add(y, up.forward(relu(down.forward(y))));
}

}  // namespace graft::nn
