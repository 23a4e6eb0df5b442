// GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019): small to xl, and any
// other size. Names, order and start as transformers' GPT2LMHeadModel. What is particular: linear layers are
// published [in, out] (its Conv1D), query, key and value come from one of them, GELU is the approximation
// with tanh, norms come before attention and feed-forward part, and the head is the table of word vectors.
#pragma once

#include <optional>

#include "nn/kv_cache.h"
#include "nn/language_model.h"
#include "nn/transformer.h"

namespace graft::nn {

struct Gpt2Config {
  int64_t width = 768, layers = 12, heads = 12;
  int64_t vocabulary = 50257, positions = 1024;
  int64_t inner = 0;  // of the feed-forward part; 0: 4 width
  double eps = 1e-5;
  Nonlinearity activation = Nonlinearity::gelu_tanh;
  bool tied = true;             // the head is the table of word vectors
  bool scale_attention = true;  // scores are divided by the root of a head's size
  bool scale_by_layer = false;  // and by the layer's number, from 1 on
  int64_t end = 50256;          // the token that ends a text; -1: none
  double dropout = 0.1;         // of vectors, not of attention's probabilities, which graft does not drop
};
inline constexpr Gpt2Config kGpt2Small{}, kGpt2Medium{1024, 24, 16}, kGpt2Large{1280, 36, 20},
    kGpt2Xl{1600, 48, 25};

// x [B, T, C] -> [B, T, C]: each token sees itself and those before it.
class Gpt2Attention : public Module {
 public:
  Gpt2Attention(const Gpt2Config& config, int64_t layer, uint64_t seed, DType dtype);
  void parts(Parts& p) override { p("c_attn", c_attn)("c_proj", c_proj)("resid_dropout", drop); }
  // With a cache: x are the tokens that follow those in it.
  Var forward(const Var& x, KeyValueCache* cache);

  Linear c_attn, c_proj;  // c_attn: [3 C, C], query, key and value one after the other
  Dropout drop;
  double scale;

 private:
  int64_t heads_, layer_;
};

class Gpt2FeedForward : public Module {
 public:
  Gpt2FeedForward(const Gpt2Config& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override { p("c_fc", c_fc)("c_proj", c_proj)("dropout", drop); }
  Var forward(const Var& x);

  Linear c_fc, c_proj;
  Dropout drop;
  Nonlinearity activation;
};

class Gpt2Block : public Module {
 public:
  Gpt2Block(const Gpt2Config& config, int64_t layer, uint64_t seed, DType dtype);
  void parts(Parts& p) override { p("ln_1", ln_1)("attn", attn)("ln_2", ln_2)("mlp", mlp); }
  Var forward(const Var& x, KeyValueCache* cache);

  LayerNorm ln_1;
  Gpt2Attention attn;
  LayerNorm ln_2;
  Gpt2FeedForward mlp;
};

// Tokens i64 [B, T] -> [B, T, C], normalised.
class Gpt2Trunk : public Module {
 public:
  Gpt2Trunk(const Gpt2Config& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override { p("wte", wte)("wpe", wpe)("drop", drop)("h", h)("ln_f", ln_f); }
  // With a cache: the tokens follow those in it.
  Var forward(const Tensor& ids, KeyValueCache* cache = nullptr);

  Embedding wte, wpe;
  Dropout drop;
  ModuleList<Gpt2Block> h;
  LayerNorm ln_f;
};

class Gpt2 : public LanguageModel {
 public:
  // Starting values by `seed`; without one zeros, to be loaded.
  explicit Gpt2(const Gpt2Config& config, std::optional<uint64_t> seed = {}, DType dtype = DType::f32);
  void parts(Parts& p) override;

  // Tokens i64 [B, T] -> logits [B, T, vocabulary] of what follows each.
  Var forward(const Tensor& ids) { return head(transformer.forward(ids)); }
  // [B, T, C] -> [B, T, vocabulary].
  Var head(const Var& hidden) const;
  // The mean cross-entropy of each token given those before it, in nats; labels are the tokens, or -100 where
  // one does not count. logits as from forward.
  static Var loss(const Var& logits, const Tensor& labels);

  std::vector<int64_t> first_tokens(const std::vector<int64_t>& prompt) const override { return prompt; }
  std::unique_ptr<Continuation> start(const std::vector<int64_t>& prompt) override;
  int64_t vocabulary() const override { return config.vocabulary; }
  int64_t most_tokens() const override { return config.positions; }
  std::vector<int64_t> end_tokens() const override;

  Gpt2Config config;
  Gpt2Trunk transformer;
  std::unique_ptr<Linear> lm_head;  // absent where it is tied
};

}  // namespace graft::nn
