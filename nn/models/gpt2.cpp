#include "nn/models/gpt2.h"

#include <cmath>

namespace graft::nn {
namespace {

Linear conv1d(int64_t in, int64_t out, DType dtype) {
  return Linear({.in = in, .out = out, .published = Published::linear_io}, dtype);
}

int64_t inner(const Gpt2Config& config) {
  return config.inner > 0 ? config.inner : 4 * config.width;
}

void check_config(const Gpt2Config& c) {
  GRAFT_CHECK_AS(DataError, c.width >= 1 && c.layers >= 0 && c.vocabulary >= 1 && c.positions >= 1,
                 "GPT-2: width ", c.width, ", ", c.layers, " layers, vocabulary ", c.vocabulary, ", ",
                 c.positions, " positions: all must be positive");
  GRAFT_CHECK_AS(DataError, c.heads >= 1 && c.width % c.heads == 0, "GPT-2: width ", c.width,
                 " does not divide into ", c.heads, " heads");
}

class Reading : public Continuation {
 public:
  explicit Reading(Gpt2& model) : model_(model), cache_(model.config.layers) {}

  Tensor append(const Tensor& tokens, int64_t last) override {
    NoGrad no_grad;
    Var hidden = model_.transformer.forward(tokens, &cache_);
    length_ += tokens.dim(1);
    Var end(hidden.value().slice(1, tokens.dim(1) - last, tokens.dim(1)).contiguous());
    return model_.head(end).value().to(DType::f32).to(kCpu).contiguous();
  }
  void select(const std::vector<int64_t>& rows) override { cache_.select(rows); }
  void truncate(int64_t length) override {
    cache_.truncate(length);
    length_ = length;
  }
  int64_t length() const override { return length_; }

 private:
  Gpt2& model_;
  KeyValueCache cache_;
  int64_t length_ = 0;
};

}  // namespace

Gpt2Attention::Gpt2Attention(const Gpt2Config& config, int64_t layer, uint64_t seed, DType dtype)
    : c_attn(conv1d(config.width, 3 * config.width, dtype)),
      c_proj(conv1d(config.width, config.width, dtype)),
      drop(config.dropout, seed),
      heads_(config.heads),
      layer_(layer) {
  double head_size = static_cast<double>(config.width / config.heads);
  scale = config.scale_attention ? 1 / std::sqrt(head_size) : 1;
  if (config.scale_by_layer) scale /= static_cast<double>(layer + 1);
}

Var Gpt2Attention::forward(const Var& x, KeyValueCache* cache) {
  int64_t width = x.dim(2);
  Var all = c_attn.forward(x);                           // [B, T, 3 C]
  Var q = split_heads(slice(all, 2, 0, width), heads_);  // [B, T, H, D]
  Var k = split_heads(slice(all, 2, width, 2 * width), heads_);
  Var v = split_heads(slice(all, 2, 2 * width, 3 * width), heads_);
  if (cache) {
    auto [keys, values] = cache->append(layer_, k.value(), v.value());  // [B, length + T, H, D]
    k = Var(keys);
    v = Var(values);
  }
  Attention how{.scale = scale, .causal = true};
  Var y = join_heads(attention(q, k, v, {}, how));  // [B, T, C]
  return seen(drop.forward(c_proj.forward(y)));
}

Gpt2FeedForward::Gpt2FeedForward(const Gpt2Config& config, uint64_t seed, DType dtype)
    : c_fc(conv1d(config.width, inner(config), dtype)),
      c_proj(conv1d(inner(config), config.width, dtype)),
      drop(config.dropout, seed),
      activation(config.activation) {}

Var Gpt2FeedForward::forward(const Var& x) {
  return seen(drop.forward(c_proj.forward(linear_then(c_fc, activation, x))));
}

// The two dropouts of a block have streams of their own.
Gpt2Block::Gpt2Block(const Gpt2Config& config, int64_t layer, uint64_t seed, DType dtype)
    : ln_1(config.width, config.eps, dtype),
      attn(config, layer, seed + 2 * static_cast<uint64_t>(layer) + 1, dtype),
      ln_2(config.width, config.eps, dtype),
      mlp(config, seed + 2 * static_cast<uint64_t>(layer) + 2, dtype) {}

Var Gpt2Block::forward(const Var& x, KeyValueCache* cache) {
  Var y = add(x, attn.forward(ln_1.forward(x), cache));
  return seen(add(y, mlp.forward(ln_2.forward(y))));
}

Gpt2Trunk::Gpt2Trunk(const Gpt2Config& config, uint64_t seed, DType dtype)
    : wte(config.vocabulary, config.width, -1, dtype),
      wpe(config.positions, config.width, -1, dtype),
      drop(config.dropout, seed),
      ln_f(config.width, config.eps, dtype) {
  for (int64_t i = 0; i < config.layers; ++i) h.emplace(config, i, seed, dtype);
}

Var Gpt2Trunk::forward(const Tensor& ids, KeyValueCache* cache) {
  GRAFT_CHECK(ids.rank() == 2, "GPT-2: tokens ", ids, " are not i64 [B, T]");
  int64_t before = cache ? cache->length() : 0, end = before + ids.dim(1);
  GRAFT_CHECK_AS(UsageError, end <= wpe.weight.var.dim(0), "GPT-2: ", end, " tokens, but only ",
                 wpe.weight.var.dim(0), " positions");
  Device device = wte.weight.var.value().device();
  Var words = wte.forward(ids.to(device));                                      // [B, T, C]
  Var places = wpe.forward(positions(ids.dim(0), ids.dim(1), before, device));  // [B, T, C]
  Var x = drop.forward(add(words, places));
  for (auto& block : h.items) x = block->forward(x, cache);
  return seen(ln_f.forward(x));
}

Gpt2::Gpt2(const Gpt2Config& c, std::optional<uint64_t> seed, DType dtype)
    : config((check_config(c), c)), transformer(c, seed.value_or(0), dtype) {
  if (!c.tied) {
    Linear::Config head{.in = c.width, .out = c.vocabulary, .bias = false};
    lm_head = std::make_unique<Linear>(head, dtype);
  }
  if (!seed) return;
  // What goes back into the trunk starts smaller, by the root of how many such additions there are.
  double additions = std::sqrt(2.0 * static_cast<double>(c.layers));
  for (const NamedTensor& t : named_parameters(*this)) {
    if (t.value().rank() != 2) continue;
    Init{*seed}.normal(*t.parameter, t.name, t.name.ends_with("c_proj.weight") ? 0.02 / additions : 0.02);
  }
}

void Gpt2::parts(Parts& p) {
  p("transformer", transformer);
  if (lm_head) {
    p("lm_head", *lm_head);
  } else {
    p("lm_head.weight", transformer.wte.weight);
  }
}

Var Gpt2::head(const Var& hidden) const {
  if (lm_head) return seen(lm_head->forward(hidden));
  return seen(linear(hidden, rounded_to(transformer.wte.weight, hidden.value().dtype())));
}

Var Gpt2::loss(const Var& logits, const Tensor& labels) {
  GRAFT_CHECK(logits.shape().rank() == 3 && labels.shape() == Shape({logits.dim(0), logits.dim(1)}) &&
                  labels.dtype() == DType::i64,
              "GPT-2: labels ", labels, " are not i64 [B, T] of logits ", logits.shape());
  int64_t rows = labels.dim(0), count = labels.dim(1);
  Tensor given = labels.to(kCpu).contiguous(), next = Tensor::full({rows, count}, -100, DType::i64);
  if (count > 1) next.slice(1, 0, count - 1).copy_from(given.slice(1, 1, count));
  return cross_entropy(reshape(logits, {rows * count, logits.dim(2)}),
                       next.reshape({rows * count}).to(logits.value().device()));
}

std::unique_ptr<Continuation> Gpt2::start(const std::vector<int64_t>&) {
  GRAFT_CHECK(!training(), "GPT-2: in training mode; call eval() before text is generated or scored");
  return std::make_unique<Reading>(*this);
}

std::vector<int64_t> Gpt2::end_tokens() const {
  return config.end < 0 ? std::vector<int64_t>() : std::vector<int64_t>{config.end};
}

}  // namespace graft::nn
