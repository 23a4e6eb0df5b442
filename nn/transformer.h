// The layers that transformers are built from, beside nn/layers.h's: norms, tables of vectors, and what lies
// between a linear layer and attention. Where the activations are bf16 the norms' tensors stay f32.
#pragma once

#include "nn/layers.h"

namespace graft::nn {

// x [..., width] -> the same shape, each row normalised by its mean and variance. weight, bias: [width].
class LayerNorm : public Module {
 public:
  explicit LayerNorm(int64_t width, double epsilon, DType dtype = DType::f32);
  void parts(Parts& p) override { p("weight", weight)("bias", bias); }
  Var forward(const Var& x) const;

  Parameter weight, bias;
  double eps;
};

// x [..., width] -> the same shape, each row over the root of its mean square. weight: [width].
class RmsNorm : public Module {
 public:
  explicit RmsNorm(int64_t width, double epsilon, DType dtype = DType::f32);
  void parts(Parts& p) override { p("weight", weight); }
  Var forward(const Var& x) const;

  Parameter weight;
  double eps;
};

// Indices i64 [...] -> [..., width]: the rows of weight [rows, width]. The row `padding_index` gets no
// gradient; none where that is negative.
class Embedding : public Module {
 public:
  Embedding(int64_t rows, int64_t width, int64_t padding = -1, DType dtype = DType::f32);
  void parts(Parts& p) override { p("weight", weight); }
  Var forward(const Tensor& indices) const;

  Parameter weight;
  int64_t padding_index;
};

// The functions that a config.json names under hidden_act, activation_function or feed_forward_proj.
enum class Nonlinearity : uint8_t { relu, gelu, gelu_tanh, quick_gelu, silu, tanh };
std::string_view to_text(Nonlinearity f);
Var apply(Nonlinearity f, const Var& x);
// f(linear(x)), in one pass where there is one for f.
Var linear_then(const Linear& linear, Nonlinearity f, const Var& x);

// [B, T, heads D] as [B, T, heads, D], what attention takes, and back.
Var split_heads(const Var& x, int64_t heads);
Var join_heads(const Var& x);

// i64 [batch, count]: from, from + 1, ... in each row: the positions of tokens that follow `from` others.
Tensor positions(int64_t batch, int64_t count, int64_t from, Device device);
// The lengths, i64 [B] on the mask's device, that an attention mask [B, T] of ones and zeros (i64) stands
// for. Undefined where all are ones. Throws DataError, naming row and position, for a mask that is no run of
// ones followed by zeros (padding on the left, holes): attention takes lengths.
Tensor lengths_of_mask(const Tensor& mask);

}  // namespace graft::nn
