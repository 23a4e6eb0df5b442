// The block that vision transformers and CLIP's two towers are stacks of: a norm before attention and one
// before the feed-forward part (Dosovitskiy et al., "An image is worth 16x16 words", 2021; Radford et al.,
// "Learning transferable visual models from natural language supervision", 2021).
#pragma once

#include "nn/transformer.h"

namespace graft::nn {

struct EncoderBlockConfig {
  int64_t width, heads, inner;
  double eps;
  Nonlinearity activation = Nonlinearity::gelu;
  double dropout = 0;  // of what attention and the feed-forward part add, not of attention's probabilities
  bool qkv_bias = true;
  // Whose names. torchvision's queries, keys and values are the thirds of one matrix.
  enum class Names : uint8_t { torchvision, huggingface, clip } names = Names::clip;
};

// x [B, T, C] -> [B, T, C].
class EncoderBlock : public Module {
 public:
  EncoderBlock(const EncoderBlockConfig& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override;
  // With causal a token sees itself and those before it; keys from lengths [B] on are padding.
  Var forward(const Var& x, bool causal = false, const Tensor& lengths = {});

  LayerNorm norm1, norm2;
  std::unique_ptr<Linear> query, key, value;  // null under torchvision's names
  Parameter in_proj_weight, in_proj_bias;     // [3 C, C] and [3 C]; undefined under the others
  Linear out, inner, outer;
  Dropout drop1, drop2;
  EncoderBlockConfig config;

 private:
  Var attend(const Var& x, bool causal, const Tensor& lengths);
};

// [B, P, C] of a picture's patches -> [B, 1 + P, C]: a learned vector stands before them, and each place has
// a learned vector of its own that is added. first: C elements; places: (1 + P) C elements, of any shapes.
Var with_class_and_places(const Var& patches, const Parameter& first, const Parameter& places);

// [B, T, C], one index of a token for each row -> [B, C].
Var tokens_at(const Var& x, const std::vector<int64_t>& which);

}  // namespace graft::nn
