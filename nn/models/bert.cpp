#include "nn/models/bert.h"

#include <cmath>

namespace graft::nn {
namespace {

void check_config(const BertConfig& c) {
  GRAFT_CHECK_AS(
      DataError,
      c.width >= 1 && c.layers >= 0 && c.inner >= 1 && c.vocabulary >= 1 && c.positions >= 1 && c.types >= 1,
      "BERT: width ", c.width, ", ", c.layers, " layers, inner width ", c.inner, ", vocabulary ",
      c.vocabulary, ", ", c.positions, " positions, ", c.types, " types: all must be positive");
  GRAFT_CHECK_AS(DataError, c.heads >= 1 && c.width % c.heads == 0, "BERT: width ", c.width,
                 " does not divide into ", c.heads, " heads");
}

}  // namespace

BertEmbeddings::BertEmbeddings(const BertConfig& c, uint64_t seed, DType dtype)
    : word_embeddings(c.vocabulary, c.width, c.padding, dtype),
      position_embeddings(c.positions, c.width, -1, dtype),
      token_type_embeddings(c.types, c.width, -1, dtype),
      norm(c.width, c.eps, dtype),
      drop(c.dropout, seed) {}

void BertEmbeddings::parts(Parts& p) {
  p("word_embeddings", word_embeddings)("position_embeddings", position_embeddings);
  p("token_type_embeddings", token_type_embeddings)("LayerNorm", norm)("dropout", drop);
}

Var BertEmbeddings::forward(const BertInput& input) {
  const Tensor& ids = input.ids;
  GRAFT_CHECK(ids.rank() == 2 && ids.dtype() == DType::i64, "BERT: tokens ", ids, " are not i64 [B, T]");
  GRAFT_CHECK_AS(UsageError, ids.dim(1) <= position_embeddings.weight.var.dim(0), "BERT: ", ids.dim(1),
                 " tokens, but only ", position_embeddings.weight.var.dim(0), " positions; shorten the text");
  Tensor types = input.types.defined() ? input.types : ids.zeros_like();
  GRAFT_CHECK(types.shape() == ids.shape(), "BERT: types ", types, " for tokens ", ids);
  Tensor where = positions(ids.dim(0), ids.dim(1), 0, ids.device());                // [B, T]
  Var x = add(word_embeddings.forward(ids), token_type_embeddings.forward(types));  // [B, T, C]
  return seen(drop.forward(norm.forward(add(x, position_embeddings.forward(where)))));
}

BertLayer::BertLayer(const BertConfig& c, uint64_t seed, DType dtype)
    : query(c.width, c.width, dtype),
      key(c.width, c.width, dtype),
      value(c.width, c.width, dtype),
      attention_output(c.width, c.width, dtype),
      attention_norm(c.width, c.eps, dtype),
      intermediate(c.width, c.inner, dtype),
      output(c.inner, c.width, dtype),
      norm(c.width, c.eps, dtype),
      attention_drop(c.dropout, seed),
      drop(c.dropout, seed + 1),
      heads_(c.heads),
      activation_(c.activation) {}

void BertLayer::parts(Parts& p) {
  p("attention.self.query", query)("attention.self.key", key)("attention.self.value", value);
  p("attention.output.dense", attention_output)("attention.output.LayerNorm", attention_norm);
  p("attention.output.dropout", attention_drop);
  p("intermediate.dense", intermediate)("output.dense", output)("output.LayerNorm", norm);
  p("output.dropout", drop);
}

Var BertLayer::forward(const Var& x, const Tensor& lengths) {
  Var q = split_heads(query.forward(x), heads_);  // [B, T, H, D]
  Var k = split_heads(key.forward(x), heads_);
  Var v = split_heads(value.forward(x), heads_);
  double scale = 1 / std::sqrt(static_cast<double>(q.dim(3)));
  Var seen_by_all = join_heads(attention(q, k, v, {}, {.scale = scale, .lengths = lengths}));  // [B, T, C]
  Var y = attention_drop.forward(attention_output.forward(seen_by_all));
  y = attention_norm.forward(add(y, x));
  Var z = drop.forward(output.forward(linear_then(intermediate, activation_, y)));  // [B, T, C]
  return seen(norm.forward(add(z, y)));
}

BertTrunk::BertTrunk(const BertConfig& c, uint64_t seed, DType dtype)
    : embeddings((check_config(c), c), seed, dtype), pooler(c.width, c.width, dtype) {
  for (int64_t i = 0; i < c.layers; ++i) layers.emplace(c, seed + 2 * static_cast<uint64_t>(i) + 1, dtype);
}

Var BertTrunk::forward(const BertInput& input) {
  GRAFT_CHECK(!input.mask.defined() || input.mask.shape() == input.ids.shape(), "BERT: mask ", input.mask,
              " for tokens ", input.ids);
  Tensor lengths = input.mask.defined() ? lengths_of_mask(input.mask) : Tensor();
  Var x = embeddings.forward(input);  // [B, T, C]
  for (size_t i = 0; i < layers.size(); ++i) x = layers[i].forward(x, lengths);
  return seen(x);
}

Var BertTrunk::pool(const Var& hidden) const {
  Var first = reshape(slice(hidden, 1, 0, 1), {hidden.dim(0), hidden.dim(2)});  // [B, C]
  return graft::tanh(pooler.forward(first));
}

BertClassifier::BertClassifier(const BertConfig& c, int64_t classes, std::optional<uint64_t> seed,
                               DType dtype)
    : config(c),
      bert(c, seed.value_or(0), dtype),
      drop(c.dropout, seed.value_or(0) + 2 * static_cast<uint64_t>(c.layers) + 1),
      classifier(c.width, classes, dtype) {
  if (!seed) return;
  Init init{*seed};
  auto start = [&](Parameter& weight, const std::string& name) {
    init.normal(weight, name + ".weight", 0.02);
  };
  for_each_layer<Linear>(*this, [&](const std::string& name, Linear& l) { start(l.weight, name); });
  for_each_layer<Embedding>(*this, [&](const std::string& name, Embedding& e) { start(e.weight, name); });
  if (c.padding >= 0)
    bert.embeddings.word_embeddings.weight.var.value().slice(0, c.padding, c.padding + 1).fill(0);
}

Var BertClassifier::forward(const BertInput& input) {
  Var pooled = bert.pool(bert.forward(input));  // [B, C]
  return seen(classifier.forward(drop.forward(pooled)));
}

}  // namespace graft::nn
