#include "nn/models/t5.h"

#include <algorithm>
#include <cmath>

#include "nn/models/t5_reading.h"

namespace graft::nn {
namespace {

Linear plain(int64_t in, int64_t out, DType dtype) {
  return Linear({.in = in, .out = out, .bias = false}, dtype);
}

// Streams of random numbers for dropout: four to a block, the decoder's after the encoder's.
uint64_t stream(uint64_t seed, bool decoder, int64_t layer, uint64_t part) {
  return seed + (decoder ? 1 << 20 : 0) + 4 * static_cast<uint64_t>(layer) + part;
}

void check_config(const T5Config& c) {
  GRAFT_CHECK_AS(DataError,
                 c.width >= 1 && c.head_size >= 1 && c.inner >= 1 && c.layers >= 1 && c.decoder_layers >= 1 &&
                     c.heads >= 1 && c.vocabulary >= 1,
                 "T5: d_model ", c.width, ", d_kv ", c.head_size, ", d_ff ", c.inner, ", ", c.layers, " and ",
                 c.decoder_layers, " layers, ", c.heads, " heads, vocabulary ", c.vocabulary,
                 ": all must be positive");
  GRAFT_CHECK_AS(DataError, c.buckets >= 4 && c.max_distance > c.buckets / 2, "T5: ", c.buckets,
                 " buckets of relative positions up to ", c.max_distance,
                 "; expected at least 4, and a distance of more than half of them");
  GRAFT_CHECK_AS(DataError,
                 c.start >= 0 && c.start < c.vocabulary && c.padding >= 0 && c.padding < c.vocabulary,
                 "T5: decoder_start_token_id ", c.start, " and pad_token_id ", c.padding,
                 " are not in the vocabulary of ", c.vocabulary);
}

}  // namespace

// The formula, in float as in transformers' T5Attention._relative_position_bucket: where a distance lies on
// the edge of two buckets, the rounding decides.
int64_t t5_bucket(int64_t distance, bool both_directions, int64_t buckets, int64_t max_distance) {
  int64_t bucket = 0;
  if (both_directions) {
    buckets /= 2;
    if (distance > 0) bucket = buckets;
    distance = std::abs(distance);
  } else {
    distance = std::max<int64_t>(-distance, 0);
  }
  int64_t exact = buckets / 2;
  if (distance < exact) return bucket + distance;
  float ratio = std::log(static_cast<float>(distance) / static_cast<float>(exact));
  auto range = static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
  auto further = static_cast<int64_t>(ratio / range * static_cast<float>(buckets - exact));
  return bucket + std::min(exact + further, buckets - 1);
}

T5Attention::T5Attention(const T5Config& c, bool has_bias_table, DType dtype)
    : q(plain(c.width, c.heads * c.head_size, dtype)),
      k(plain(c.width, c.heads * c.head_size, dtype)),
      v(plain(c.width, c.heads * c.head_size, dtype)),
      o(plain(c.heads * c.head_size, c.width, dtype)),
      heads_(c.heads) {
  if (has_bias_table) relative_attention_bias = std::make_unique<Embedding>(c.buckets, c.heads, -1, dtype);
}

void T5Attention::parts(Parts& p) {
  p("q", q)("k", k)("v", v)("o", o);
  if (relative_attention_bias) p("relative_attention_bias", *relative_attention_bias);
}

std::pair<Var, Var> T5Attention::offer(const Var& x) const {
  return {split_heads(k.forward(x), heads_), split_heads(v.forward(x), heads_)};
}

Var T5Attention::forward(const Var& x, const Var& keys, const Var& values, const Var& bias,
                         const Attention& how) const {
  Var asked = split_heads(q.forward(x), heads_);                                  // [B, T, H, D]
  return seen(o.forward(join_heads(attention(asked, keys, values, bias, how))));  // [B, T, C]
}

T5SelfLayer::T5SelfLayer(const T5Config& config, int64_t layer, uint64_t seed, DType dtype)
    : attention(config, layer == 0, dtype),
      layer_norm(config.width, config.eps, dtype),
      drop(config.dropout, seed),
      layer_(layer) {}

Var T5SelfLayer::forward(const Var& x, const T5Context& context) {
  Var normal = layer_norm.forward(x);
  auto [keys, values] = attention.offer(normal);
  if (context.own) {
    auto all = context.own->append(layer_, keys.value(), values.value());
    keys = Var(all.first);
    values = Var(all.second);
  }
  Attention how{.causal = context.causal, .lengths = context.lengths};
  return seen(add(x, drop.forward(attention.forward(normal, keys, values, context.bias, how))));
}

T5CrossLayer::T5CrossLayer(const T5Config& config, int64_t layer, uint64_t seed, DType dtype)
    : attention(config, false, dtype),
      layer_norm(config.width, config.eps, dtype),
      drop(config.dropout, seed),
      layer_(layer) {}

Var T5CrossLayer::forward(const Var& x, const T5Context& context) {
  std::pair<Var, Var> offered;
  if (context.memory) {
    offered = attention.offer(context.memory);
  } else {
    auto [keys, values] = context.read->tokens(layer_);
    offered = {Var(keys), Var(values)};
  }
  Attention how{.lengths = context.memory_lengths};
  Var y = attention.forward(layer_norm.forward(x), offered.first, offered.second, {}, how);
  return seen(add(x, drop.forward(y)));
}

T5FeedForward::T5FeedForward(const T5Config& config, uint64_t seed, DType dtype)
    : wi(plain(config.width, config.inner, dtype)),
      wo(plain(config.inner, config.width, dtype)),
      drop(config.dropout, seed),
      activation(config.activation) {
  if (config.gated) wi_1 = std::make_unique<Linear>(plain(config.width, config.inner, dtype));
}

void T5FeedForward::parts(Parts& p) {
  p(wi_1 ? "wi_0" : "wi", wi);
  if (wi_1) p("wi_1", *wi_1);
  p("wo", wo)("dropout", drop);
}

Var T5FeedForward::forward(const Var& x) {
  Var y = linear_then(wi, activation, x);
  if (wi_1) y = multiply(y, wi_1->forward(x));
  return seen(wo.forward(drop.forward(y)));
}

T5FeedForwardLayer::T5FeedForwardLayer(const T5Config& config, uint64_t seed, DType dtype)
    : dense(config, seed, dtype),
      layer_norm(config.width, config.eps, dtype),
      drop(config.dropout, seed + 1) {}

Var T5FeedForwardLayer::forward(const Var& x) {
  return seen(add(x, drop.forward(dense.forward(layer_norm.forward(x)))));
}

T5Block::T5Block(const T5Config& config, bool decoder, int64_t layer, uint64_t seed, DType dtype)
    : self(config, layer, stream(seed, decoder, layer, 0), dtype),
      feed_forward(config, stream(seed, decoder, layer, 2), dtype) {
  if (decoder) cross = std::make_unique<T5CrossLayer>(config, layer, stream(seed, decoder, layer, 1), dtype);
}

void T5Block::parts(Parts& p) {
  p("layer.0", self);
  if (cross) p("layer.1", *cross);
  p(cross ? "layer.2" : "layer.1", feed_forward);
}

Var T5Block::forward(const Var& x, const T5Context& context) {
  Var y = self.forward(x, context);
  if (cross) y = cross->forward(y, context);
  return seen(feed_forward.forward(y));
}

T5Stack::T5Stack(const T5Config& config, bool is_decoder, uint64_t seed, DType dtype)
    : final_layer_norm(config.width, config.eps, dtype),
      drop(config.dropout, stream(seed, is_decoder, 1 << 16, 0)),
      decoder_(is_decoder),
      buckets_(config.buckets),
      max_distance_(config.max_distance) {
  int64_t layers = is_decoder ? config.decoder_layers : config.layers;
  for (int64_t i = 0; i < layers; ++i) block.emplace(config, is_decoder, i, seed, dtype);
}

void T5Stack::parts(Parts& p) {
  p("block", block)("final_layer_norm", final_layer_norm)("dropout", drop);
}

Var T5Stack::position_bias(int64_t queries, int64_t keys) const {
  const Embedding& table = *block.items[0]->self.attention.relative_attention_bias;
  Tensor which = Tensor::empty({queries, keys}, DType::i64);
  for (int64_t i = 0; i < queries; ++i) {
    for (int64_t j = 0; j < keys; ++j) {
      int64_t distance = j - (keys - queries + i);
      which.data<int64_t>()[i * keys + j] = t5_bucket(distance, !decoder_, buckets_, max_distance_);
    }
  }
  Var rows = table.forward(which.to(table.weight.var.value().device()));  // [queries, keys, H]
  return permute(rows, {2, 0, 1});
}

Var T5Stack::forward(const Var& words, T5Context context) {
  int64_t before = context.own ? context.own->length() : 0, count = words.dim(1);
  context.bias = position_bias(count, before + count);
  context.causal = decoder_;
  Var x = drop.forward(words);
  for (auto& b : block.items) x = b->forward(x, context);
  return seen(drop.forward(final_layer_norm.forward(x)));
}

T5::T5(const T5Config& c, std::optional<uint64_t> seed, DType dtype)
    : config((check_config(c), c)),
      shared(c.vocabulary, c.width, -1, dtype),
      encoder(c, false, seed.value_or(0), dtype),
      decoder(c, true, seed.value_or(0), dtype) {
  if (!c.tied) lm_head = std::make_unique<Linear>(plain(c.width, c.vocabulary, dtype));
  if (!seed) return;
  auto width = static_cast<double>(c.width), size = static_cast<double>(c.head_size);
  for (const NamedTensor& t : named_parameters(*this)) {
    if (t.value().rank() != 2) continue;
    double deviation = 1 / std::sqrt(width);  // k, v, wi, the table of biases
    if (t.name.ends_with(".q.weight")) deviation = 1 / std::sqrt(width * size);
    if (t.name.ends_with(".o.weight")) deviation = 1 / std::sqrt(static_cast<double>(c.heads) * size);
    if (t.name.ends_with(".wo.weight")) deviation = 1 / std::sqrt(static_cast<double>(c.inner));
    if (t.name == "shared.weight" || t.name == "lm_head.weight") deviation = 1;
    Init{*seed}.normal(*t.parameter, t.name, deviation);
  }
}

void T5::parts(Parts& p) {
  p("shared", shared);
  p("encoder.embed_tokens.weight", shared.weight)("encoder", encoder);
  p("decoder.embed_tokens.weight", shared.weight)("decoder", decoder);
  if (lm_head) {
    p("lm_head", *lm_head);
  } else {
    p("lm_head.weight", shared.weight);
  }
}

Var T5::encode(const Tensor& ids, const Tensor& lengths) {
  T5Context context;
  if (lengths.defined()) context.lengths = lengths.to(device());
  return encoder.forward(shared.forward(ids.to(device())), context);
}

Var T5::decode(const Tensor& ids, const T5Context& context) {
  return decoder.forward(shared.forward(ids.to(device())), context);
}

Var T5::head(const Var& hidden) const {
  if (lm_head) return seen(lm_head->forward(hidden));
  Var scaled = scale(hidden, 1 / std::sqrt(static_cast<double>(config.width)));
  return seen(linear(scaled, rounded_to(shared.weight, hidden.value().dtype())));
}

Var T5::forward(const Tensor& ids, const Tensor& lengths, const Tensor& labels) {
  T5Context context;
  context.memory = encode(ids, lengths);
  if (lengths.defined()) context.memory_lengths = lengths.to(device());
  return head(decode(shift_right(labels), context));
}

Tensor T5::shift_right(const Tensor& labels) const {
  GRAFT_CHECK(labels.rank() == 2 && labels.dtype() == DType::i64, "T5: labels ", labels,
              " are not i64 [B, T]");
  Tensor given = labels.to(kCpu).contiguous(), shifted = given.empty_like();
  int64_t rows = labels.dim(0), count = labels.dim(1);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t* from = given.data<int64_t>() + r * count;
    int64_t* to = shifted.data<int64_t>() + r * count;
    for (int64_t i = 0; i < count; ++i)
      to[i] = i == 0 ? config.start : from[i - 1] == -100 ? config.padding : from[i - 1];
  }
  return shifted;
}

Var T5::loss(const Var& logits, const Tensor& labels) {
  GRAFT_CHECK(logits.shape().rank() == 3 && labels.shape() == Shape({logits.dim(0), logits.dim(1)}),
              "T5: labels ", labels, " are not i64 [B, T] of logits ", logits.shape());
  int64_t count = labels.numel();
  return cross_entropy(reshape(logits, {count, logits.dim(2)}),
                       labels.contiguous().reshape({count}).to(logits.value().device()));
}

std::unique_ptr<Continuation> T5::start(const std::vector<int64_t>& prompt) {
  GRAFT_CHECK(!training(), "T5: in training mode; call eval() before text is generated or scored");
  return std::make_unique<T5Reading>(*this, prompt);
}

std::vector<int64_t> T5::end_tokens() const {
  return config.end < 0 ? std::vector<int64_t>() : std::vector<int64_t>{config.end};
}

}  // namespace graft::nn
