#include "nn/encoder_block.h"

#include <cmath>

namespace graft::nn {

using Names = EncoderBlockConfig::Names;

EncoderBlock::EncoderBlock(const EncoderBlockConfig& c, uint64_t seed, DType dtype)
    : norm1(c.width, c.eps, dtype),
      norm2(c.width, c.eps, dtype),
      out(c.width, c.width, dtype),
      inner(c.width, c.inner, dtype),
      outer(c.inner, c.width, dtype),
      drop1(c.dropout, seed),
      drop2(c.dropout, seed + 1),
      config(c) {
  if (c.names == Names::torchvision) {
    in_proj_weight = Parameter(Tensor::untouched_zeros({3 * c.width, c.width}, dtype));
    in_proj_bias = Parameter(Tensor::zeros({3 * c.width}, dtype));
    return;
  }
  for (auto* projection : {&query, &key, &value}) {
    *projection =
        std::make_unique<Linear>(Linear::Config{.in = c.width, .out = c.width, .bias = c.qkv_bias}, dtype);
  }
}

void EncoderBlock::parts(Parts& p) {
  switch (config.names) {
    case Names::torchvision:
      p("ln_1", norm1);
      p("self_attention.in_proj_weight", in_proj_weight)("self_attention.in_proj_bias", in_proj_bias);
      p("self_attention.out_proj", out)("dropout", drop1);
      p("ln_2", norm2)("mlp.0", inner)("mlp.3", outer)("mlp.4", drop2);
      return;
    case Names::huggingface:
      p("attention.attention.query", *query)("attention.attention.key", *key);
      p("attention.attention.value", *value)("attention.output.dense", out);
      p("attention.output.dropout", drop1)("intermediate.dense", inner);
      p("output.dense", outer)("output.dropout", drop2);
      p("layernorm_before", norm1)("layernorm_after", norm2);
      return;
    case Names::clip:
      p("self_attn.k_proj", *key)("self_attn.v_proj", *value)("self_attn.q_proj", *query);
      p("self_attn.out_proj", out)("layer_norm1", norm1);
      p("mlp.fc1", inner)("mlp.fc2", outer)("layer_norm2", norm2);
      return;
  }
}

Var EncoderBlock::attend(const Var& x, bool causal, const Tensor& lengths) {  // x: [B, T, C]
  Var q, k, v;                                                                // [B, T, C]
  if (config.names == Names::torchvision) {
    DType type = x.value().dtype();
    Var qkv = linear(x, rounded_to(in_proj_weight, type), rounded_to(in_proj_bias, type));  // [B, T, 3 C]
    int64_t width = config.width;
    q = slice(qkv, 2, 0, width), k = slice(qkv, 2, width, 2 * width), v = slice(qkv, 2, 2 * width, 3 * width);
  } else {
    q = query->forward(x), k = key->forward(x), v = value->forward(x);
  }
  q = split_heads(q, config.heads);  // [B, T, H, D]
  Attention how{.scale = 1 / std::sqrt(static_cast<double>(q.dim(3))), .causal = causal, .lengths = lengths};
  return join_heads(attention(q, split_heads(k, config.heads), split_heads(v, config.heads), {}, how));
}

Var EncoderBlock::forward(const Var& x, bool causal, const Tensor& lengths) {  // x: [B, T, C]
  Var y = out.forward(attend(norm1.forward(x), causal, lengths));              // [B, T, C]
  y = add(x, drop1.forward(y));
  Var z = outer.forward(linear_then(inner, config.activation, norm2.forward(y)));  // [B, T, C]
  return seen(add(y, drop2.forward(z)));
}

Var with_class_and_places(const Var& patches, const Parameter& first, const Parameter& places) {
  int64_t batch = patches.dim(0), count = patches.dim(1) + 1, width = patches.dim(2);
  DType type = patches.value().dtype();
  Device device = patches.value().device();
  // Looked up, so that a batch's gradients are added up in a fixed order.
  Tensor zeros = Tensor::zeros({batch, 1}, DType::i64, device);
  Var x = concat({embedding(reshape(rounded_to(first, type), {1, width}), zeros), patches}, 1);
  Var table = reshape(rounded_to(places, type), {count, width});
  return add(x, embedding(table, positions(batch, count, 0, device)));  // [B, 1 + P, C]
}

Var tokens_at(const Var& x, const std::vector<int64_t>& which) {
  int64_t batch = x.dim(0), count = x.dim(1);
  GRAFT_CHECK(static_cast<int64_t>(which.size()) == batch, "tokens_at: ", which.size(), " indices for ",
              x.shape());
  Tensor rows = Tensor::empty({batch}, DType::i64);
  for (int64_t b = 0; b < batch; ++b) rows.data<int64_t>()[b] = b * count + which[static_cast<size_t>(b)];
  return embedding(reshape(x, {batch * count, x.dim(2)}), rows.to(x.value().device()));
}

}  // namespace graft::nn
