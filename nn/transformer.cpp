#include "nn/transformer.h"

#include <algorithm>

#include "core/place.h"

namespace graft::nn {

LayerNorm::LayerNorm(int64_t width, double epsilon, DType dtype)
    : weight(Tensor::full({width}, 1, dtype)), bias(Tensor::zeros({width}, dtype)), eps(epsilon) {}

Var LayerNorm::forward(const Var& x) const {
  Place here(static_cast<const Module*>(this));
  return seen(layer_norm(x, weight.var, bias.var, eps));
}

RmsNorm::RmsNorm(int64_t width, double epsilon, DType dtype)
    : weight(Tensor::full({width}, 1, dtype)), eps(epsilon) {}

Var RmsNorm::forward(const Var& x) const {
  Place here(static_cast<const Module*>(this));
  return seen(rms_norm(x, weight.var, eps));
}

Embedding::Embedding(int64_t rows, int64_t width, int64_t padding, DType dtype)
    : weight(Tensor::untouched_zeros({rows, width}, dtype)), padding_index(padding) {}

Var Embedding::forward(const Tensor& indices) const {
  Place here(static_cast<const Module*>(this));
  return seen(embedding(weight.var, indices, padding_index));
}

std::string_view to_text(Nonlinearity f) {
  switch (f) {
    case Nonlinearity::relu: return "relu";
    case Nonlinearity::gelu: return "gelu";
    case Nonlinearity::gelu_tanh: return "gelu_tanh";
    case Nonlinearity::quick_gelu: return "quick_gelu";
    case Nonlinearity::silu: return "silu";
    case Nonlinearity::tanh: return "tanh";
  }
  return "?";
}

Var apply(Nonlinearity f, const Var& x) {
  switch (f) {
    case Nonlinearity::relu: return relu(x);
    case Nonlinearity::gelu: return gelu(x);
    case Nonlinearity::gelu_tanh: return gelu_tanh(x);
    case Nonlinearity::quick_gelu: return quick_gelu(x);
    case Nonlinearity::silu: return silu(x);
    case Nonlinearity::tanh: return graft::tanh(x);
  }
  return x;
}

Var linear_then(const Linear& linear, Nonlinearity f, const Var& x) {
  switch (f) {
    case Nonlinearity::relu: return linear.forward(x, Activation::relu);
    case Nonlinearity::gelu: return linear.forward(x, Activation::gelu);
    case Nonlinearity::gelu_tanh: return linear.forward(x, Activation::gelu_tanh);
    default: return apply(f, linear.forward(x));
  }
}

Var split_heads(const Var& x, int64_t heads) {
  GRAFT_CHECK(x.shape().rank() == 3 && heads >= 1 && x.dim(2) % heads == 0, "split_heads: ", x.shape(),
              " is not [B, T, C] with C a multiple of ", heads, " heads");
  return reshape(x, {x.dim(0), x.dim(1), heads, x.dim(2) / heads});
}

Var join_heads(const Var& x) {
  GRAFT_CHECK(x.shape().rank() == 4, "join_heads: ", x.shape(), " is not [B, T, heads, D]");
  return reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)});
}

Tensor positions(int64_t batch, int64_t count, int64_t from, Device device) {
  Tensor out = Tensor::empty({batch, count}, DType::i64);
  for (int64_t i = 0; i < batch * count; ++i) out.data<int64_t>()[i] = from + i % count;
  return out.to(device);
}

Tensor lengths_of_mask(const Tensor& mask) {
  GRAFT_CHECK(mask.rank() == 2 && mask.dtype() == DType::i64, "attention mask: ", mask, " is not i64 [B, T]");
  Tensor host = mask.to(kCpu).contiguous();
  int64_t batch = mask.dim(0), count = mask.dim(1);
  Tensor lengths = Tensor::empty({batch}, DType::i64);
  bool whole = true;
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t* row = host.data<int64_t>() + b * count;
    const int64_t* end = std::find_if(row, row + count, [](int64_t m) { return m != 1; });
    const int64_t* wrong = std::find_if(end, row + count, [](int64_t m) { return m != 0; });
    if (wrong != row + count) {
      fail<DataError>("attention mask: row ", b, " has ", *wrong, " at position ", wrong - row, " after ",
                      end - row, " ones; expected ones followed by zeros: pad on the right");
    }
    lengths.data<int64_t>()[b] = end - row;
    whole = whole && end == row + count;
  }
  return whole ? Tensor() : lengths.to(mask.device());
}

}  // namespace graft::nn
