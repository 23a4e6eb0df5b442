// T5 (Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text transformer",
// 2020) in its versions 1.0 and 1.1, small to large, and any other size. Names, order and start as
// transformers' T5ForConditionalGeneration. What is particular: attention's scores are not divided by the
// root of a head's size; instead of positions there is a bias on the scores by how far apart two tokens are,
// made from a table that the first layer of each stack has and all its layers share; norms neither subtract a
// mean nor add a bias; and where the head is the table of word vectors (1.0), what goes into it is divided by
// sqrt(C).
#pragma once

#include <optional>

#include "nn/kv_cache.h"
#include "nn/language_model.h"
#include "nn/transformer.h"

namespace graft::nn {

struct T5Config {
  int64_t width = 512, head_size = 64, inner = 2048;  // d_model, d_kv, d_ff
  int64_t layers = 6, decoder_layers = 6, heads = 8;
  Nonlinearity activation = Nonlinearity::relu;
  bool gated = false;  // 1.1: activation(wi_0 x) times wi_1 x
  bool tied = true;    // 1.0: the head is the table of word vectors
  int64_t vocabulary = 32128;
  int64_t buckets = 32, max_distance = 128;  // of relative positions
  double eps = 1e-6;
  double dropout = 0.1;  // of vectors, not of attention's probabilities, which graft does not drop
  int64_t start = 0, end = 1, padding = 0;  // tokens: what a result starts with, ends with (-1: none)
};
inline constexpr T5Config kT5Small{}, kT5Base{768, 64, 3072, 12, 12, 12},
    kT5Large{1024, 64, 4096, 24, 24, 16},
    kT5V1_1Small{512, 64, 1024, 8, 8, 6, Nonlinearity::gelu_tanh, true, false},
    kT5V1_1Base{768, 64, 2048, 12, 12, 12, Nonlinearity::gelu_tanh, true, false},
    kT5V1_1Large{1024, 64, 2816, 24, 24, 16, Nonlinearity::gelu_tanh, true, false};

// The bucket of a key that is `distance` behind its query (before it: negative): for each direction half of
// the buckets (one direction alone has all), of which the first half stands for one distance each and the
// rest for ranges that grow by a constant factor, up to max_distance and beyond.
int64_t t5_bucket(int64_t distance, bool both_directions, int64_t buckets, int64_t max_distance);

// What all layers of a stack are given beside the tokens' vectors.
struct T5Context {
  Var bias;             // [H, T, keys] of the stack's own attention
  Tensor lengths;       // i64 [B]: how many of the stack's own tokens are no padding; undefined: all
  bool causal = false;  // the decoder's
  // Of a decoder: what the encoder made of its text, [B, S, C], and the lengths there. Undefined where
  // `read` holds keys and values already.
  Var memory;
  Tensor memory_lengths;
  KeyValueCache* own = nullptr;   // keys and values of the decoder's own tokens so far
  KeyValueCache* read = nullptr;  // and of the encoder's
};

// x [B, T, C], which asks, and keys and values [B, S, H, D] -> [B, T, C].
class T5Attention : public Module {
 public:
  T5Attention(const T5Config& config, bool has_bias_table, DType dtype);
  void parts(Parts& p) override;
  // Keys and values that x [B, S, C] offers.
  std::pair<Var, Var> offer(const Var& x) const;
  Var forward(const Var& x, const Var& keys, const Var& values, const Var& bias, const Attention& how) const;

  Linear q, k, v, o;                                   // without bias; [H D, C], o [C, H D]
  std::unique_ptr<Embedding> relative_attention_bias;  // [buckets, H]; in a stack's first layer

 private:
  int64_t heads_;
};

// The parts of a block, each with its norm before and its residual: x [B, T, C] -> [B, T, C].
class T5SelfLayer : public Module {
 public:
  T5SelfLayer(const T5Config& config, int64_t layer, uint64_t seed, DType dtype);
  void parts(Parts& p) override { p("SelfAttention", attention)("layer_norm", layer_norm)("dropout", drop); }
  Var forward(const Var& x, const T5Context& context);

  T5Attention attention;
  RmsNorm layer_norm;
  Dropout drop;

 private:
  int64_t layer_;
};

class T5CrossLayer : public Module {
 public:
  T5CrossLayer(const T5Config& config, int64_t layer, uint64_t seed, DType dtype);
  void parts(Parts& p) override {
    p("EncDecAttention", attention)("layer_norm", layer_norm)("dropout", drop);
  }
  Var forward(const Var& x, const T5Context& context);

  T5Attention attention;
  RmsNorm layer_norm;
  Dropout drop;

 private:
  int64_t layer_;
};

class T5FeedForward : public Module {
 public:
  T5FeedForward(const T5Config& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override;
  Var forward(const Var& x);

  Linear wi;  // "wi", or where it is gated "wi_0"
  std::unique_ptr<Linear> wi_1;
  Linear wo;
  Dropout drop;
  Nonlinearity activation;
};

class T5FeedForwardLayer : public Module {
 public:
  T5FeedForwardLayer(const T5Config& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override { p("DenseReluDense", dense)("layer_norm", layer_norm)("dropout", drop); }
  Var forward(const Var& x);

  T5FeedForward dense;
  RmsNorm layer_norm;
  Dropout drop;
};

class T5Block : public Module {
 public:
  T5Block(const T5Config& config, bool decoder, int64_t layer, uint64_t seed, DType dtype);
  void parts(Parts& p) override;
  Var forward(const Var& x, const T5Context& context);

  T5SelfLayer self;
  std::unique_ptr<T5CrossLayer> cross;  // a decoder's
  T5FeedForwardLayer feed_forward;
};

// Encoder or decoder: vectors [B, T, C] -> [B, T, C], normalised.
class T5Stack : public Module {
 public:
  T5Stack(const T5Config& config, bool is_decoder, uint64_t seed, DType dtype);
  void parts(Parts& p) override;
  // context.bias and context.causal are filled in here.
  Var forward(const Var& words, T5Context context);
  // The bias for the last `queries` of `keys` tokens: [H, queries, keys].
  Var position_bias(int64_t queries, int64_t keys) const;

  ModuleList<T5Block> block;
  RmsNorm final_layer_norm;
  Dropout drop;

 private:
  bool decoder_;
  int64_t buckets_, max_distance_;
};

class T5 : public LanguageModel {
 public:
  // Starting values by `seed`; without one zeros, to be loaded.
  explicit T5(const T5Config& config, std::optional<uint64_t> seed = {}, DType dtype = DType::f32);
  void parts(Parts& p) override;

  // Tokens i64 [B, S], of which `lengths` (i64 [B]; undefined: all) are no padding -> [B, S, C].
  Var encode(const Tensor& ids, const Tensor& lengths = {});
  // The decoder's tokens i64 [B, T], each of which sees those before it and what the encoder made -> [B, T,
  // C].
  Var decode(const Tensor& ids, const T5Context& context);
  // [B, T, C] -> logits [B, T, vocabulary].
  Var head(const Var& hidden) const;
  // Text and wanted result -> logits [B, T, vocabulary] of each token of `labels` (i64 [B, T], -100 where one
  // does not count), given those before it.
  Var forward(const Tensor& ids, const Tensor& lengths, const Tensor& labels);
  // What the decoder reads while it is taught `labels`: the start token, then all labels but the last; -100
  // becomes padding.
  Tensor shift_right(const Tensor& labels) const;
  // The mean cross-entropy over the labels that count, in nats.
  static Var loss(const Var& logits, const Tensor& labels);

  std::vector<int64_t> first_tokens(const std::vector<int64_t>&) const override { return {config.start}; }
  std::unique_ptr<Continuation> start(const std::vector<int64_t>& prompt) override;
  int64_t vocabulary() const override { return config.vocabulary; }
  int64_t most_tokens() const override { return 0; }
  std::vector<int64_t> end_tokens() const override;

  T5Config config;
  Embedding shared;
  T5Stack encoder, decoder;
  std::unique_ptr<Linear> lm_head;  // absent where it is tied

 private:
  Device device() const { return shared.weight.var.value().device(); }
};

}  // namespace graft::nn
