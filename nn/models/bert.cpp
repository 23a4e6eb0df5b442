#include "nn/models/bert.h"

#include <cmath>

namespace graft::nn {
namespace {

void check_config(const BertConfig& c) {
  GRAFT_CHECK_AS(DataError,
                 c.width >= 1 && c.layers >= 0 && c.inner >= 1 && c.vocabulary >= 1 && c.types >= 1,
                 "BERT: width ", c.width, ", ", c.layers, " layers, inner width ", c.inner, ", vocabulary ",
                 c.vocabulary, ", ", c.types, " token types: all must be positive");
  GRAFT_CHECK_AS(DataError, c.heads >= 1 && c.width % c.heads == 0, "BERT: width ", c.width,
                 " does not divide into ", c.heads, " heads");
  GRAFT_CHECK_AS(DataError, !c.roberta || c.positions > c.padding + 1, "RoBERTa: ", c.positions,
                 " positions, of which ", c.padding + 1, " are never used");
}

Var first_token(const Var& hidden) {  // [B, T, C] -> [B, C]
  return reshape(slice(hidden, 1, 0, 1), {hidden.dim(0), hidden.dim(2)});
}

}  // namespace

BertEmbeddings::BertEmbeddings(const BertConfig& config, uint64_t seed, DType dtype)
    : word_embeddings(config.vocabulary, config.width, config.padding, dtype),
      position_embeddings(config.positions, config.width, config.roberta ? config.padding : -1, dtype),
      token_type_embeddings(config.types, config.width, -1, dtype),
      norm(config.width, config.eps, dtype),
      drop(config.dropout, seed),
      roberta_(config.roberta),
      padding_(config.padding) {}

void BertEmbeddings::parts(Parts& p) {
  p("word_embeddings", word_embeddings)("position_embeddings", position_embeddings);
  p("token_type_embeddings", token_type_embeddings)("LayerNorm", norm)("dropout", drop);
}

// RoBERTa: token after token from padding + 1, padding tokens stay at padding.
Tensor BertEmbeddings::positions_of(const Tensor& ids) const {
  if (!roberta_) return positions(ids.dim(0), ids.dim(1), 0, kCpu);
  Tensor out = Tensor::empty(ids.shape(), DType::i64);
  for (int64_t b = 0; b < ids.dim(0); ++b) {
    int64_t last = padding_;
    for (int64_t t = 0; t < ids.dim(1); ++t) {
      int64_t at = b * ids.dim(1) + t;
      out.data<int64_t>()[at] = ids.data<int64_t>()[at] == padding_ ? padding_ : ++last;
    }
  }
  return out;
}

Var BertEmbeddings::forward(const TextBatch& texts) {
  GRAFT_CHECK(texts.ids.rank() == 2 && texts.ids.dtype() == DType::i64, "BERT: tokens ", texts.ids,
              " are not i64 [B, T]");
  GRAFT_CHECK(!texts.types.defined() || texts.types.shape() == texts.ids.shape(), "BERT: types ", texts.types,
              " of tokens ", texts.ids);
  Tensor ids = texts.ids.contiguous();
  int64_t most = position_embeddings.weight.var.dim(0) - (roberta_ ? padding_ + 1 : 0);
  GRAFT_CHECK_AS(UsageError, ids.dim(1) <= most, "BERT: ", ids.dim(1), " tokens, but only ", most,
                 " positions; cut the texts");
  Device device = word_embeddings.weight.var.value().device();
  Tensor types = texts.types.defined() ? texts.types : Tensor::zeros(ids.shape(), DType::i64);
  Var x = add(word_embeddings.forward(ids.to(device)), token_type_embeddings.forward(types.to(device)));
  x = add(x, position_embeddings.forward(positions_of(ids).to(device)));  // [B, T, C]
  return seen(drop.forward(norm.forward(x)));
}

BertLayer::BertLayer(const BertConfig& config, uint64_t seed, DType dtype)
    : query(config.width, config.width, dtype),
      key(config.width, config.width, dtype),
      value(config.width, config.width, dtype),
      attended(config.width, config.width, dtype),
      attention_norm(config.width, config.eps, dtype),
      intermediate(config.width, config.inner, dtype),
      output(config.inner, config.width, dtype),
      output_norm(config.width, config.eps, dtype),
      attention_drop(config.dropout, seed),
      output_drop(config.dropout, seed + 1),
      activation(config.activation),
      heads(config.heads) {}

void BertLayer::parts(Parts& p) {
  p("attention.self.query", query)("attention.self.key", key)("attention.self.value", value);
  p("attention.output.dense", attended)("attention.output.LayerNorm", attention_norm);
  p("attention.output.dropout", attention_drop);
  p("intermediate.dense", intermediate)("output.dense", output)("output.LayerNorm", output_norm);
  p("output.dropout", output_drop);
}

Var BertLayer::forward(const Var& x, const Tensor& lengths) {  // x: [B, T, C]
  Var q = split_heads(query.forward(x), heads);                // [B, T, H, D]
  Var k = split_heads(key.forward(x), heads);
  Var v = split_heads(value.forward(x), heads);
  Attention how{.scale = 1 / std::sqrt(static_cast<double>(q.dim(3))), .lengths = lengths};
  Var y = attended.forward(join_heads(attention(q, k, v, {}, how)));  // [B, T, C]
  y = attention_norm.forward(add(attention_drop.forward(y), x));
  Var z = output.forward(linear_then(intermediate, activation, y));  // [B, T, C]
  return seen(output_norm.forward(add(output_drop.forward(z), y)));
}

// The dropouts have streams of their own.
BertEncoder::BertEncoder(const BertConfig& config, bool with_pooler, uint64_t seed, DType dtype)
    : embeddings(config, seed, dtype) {
  for (int64_t i = 0; i < config.layers; ++i)
    layers.emplace(config, seed + 2 * static_cast<uint64_t>(i) + 1, dtype);
  if (with_pooler) pooler = std::make_unique<Linear>(config.width, config.width, dtype);
}

void BertEncoder::parts(Parts& p) {
  p("embeddings", embeddings)("encoder.layer", layers);
  if (pooler) p("pooler.dense", *pooler);
}

Var BertEncoder::forward(const TextBatch& texts) {
  Var x = embeddings.forward(texts);  // [B, T, C]
  Tensor lengths = texts.lengths.defined() ? texts.lengths.to(x.value().device()) : Tensor();
  for (auto& layer : layers.items) x = layer->forward(x, lengths);
  return seen(x);
}

Var BertEncoder::pooled(const Var& hidden) {
  GRAFT_CHECK(pooler != nullptr, "BERT: this network has no pooler");
  return graft::tanh(pooler->forward(first_token(hidden)));
}

Bert::Bert(const BertConfig& c, BertTask t, int64_t classes, std::optional<uint64_t> seed, DType dtype)
    : config((check_config(c), c)),
      task(t),
      encoder(c, !c.roberta && (t == BertTask::classes || t == BertTask::features), seed.value_or(0), dtype),
      drop_(c.dropout, seed.value_or(0) + 2 * static_cast<uint64_t>(c.layers) + 1) {
  GRAFT_CHECK_AS(UsageError, classes >= 1, "BERT: needs at least one class, got ", classes);
  auto square = [&] { return std::make_unique<Linear>(c.width, c.width, dtype); };
  if (t == BertTask::classes) head_ = std::make_unique<Linear>(c.width, classes, dtype);
  if (t == BertTask::questions) head_ = std::make_unique<Linear>(c.width, 2, dtype);
  if (t == BertTask::words || (t == BertTask::classes && c.roberta)) dense_ = square();
  if (t == BertTask::words) {
    norm_ = std::make_unique<LayerNorm>(c.width, c.eps, dtype);
    word_bias_ = Parameter(Tensor::zeros({c.vocabulary}, dtype));
  }
  if (!seed) return;
  for (const NamedTensor& tensor : named_parameters(*this)) {
    if (tensor.value().rank() == 2) Init{*seed}.normal(*tensor.parameter, tensor.name, 0.02);
  }
}

void Bert::parts(Parts& p) {
  bool roberta = config.roberta;
  p(roberta ? "roberta" : "bert", encoder);
  switch (task) {
    case BertTask::features: return;
    case BertTask::classes:
      if (roberta) p("classifier.dense", *dense_);
      p(roberta ? "classifier.dropout" : "dropout", drop_);
      p(roberta ? "classifier.out_proj" : "classifier", *head_);
      return;
    case BertTask::questions: p("qa_outputs", *head_); return;
    case BertTask::words: break;
  }
  Parameter& table = encoder.embeddings.word_embeddings.weight;
  if (roberta) {
    p("lm_head.bias", word_bias_)("lm_head.dense", *dense_)("lm_head.layer_norm", *norm_);
    p("lm_head.decoder.weight", table)("lm_head.decoder.bias", word_bias_);
  } else {
    p("cls.predictions.bias", word_bias_)("cls.predictions.transform.dense", *dense_);
    p("cls.predictions.transform.LayerNorm", *norm_)("cls.predictions.decoder.weight", table);
    p("cls.predictions.decoder.bias", word_bias_);
  }
}

Var Bert::forward(const TextBatch& texts) {
  Var hidden = encoder.forward(texts);  // [B, T, C]
  switch (task) {
    case BertTask::features: return seen(hidden);
    case BertTask::classes: return seen(classify(sentence(hidden)));
    case BertTask::questions: return seen(head_->forward(hidden));  // [B, T, 2]
    case BertTask::words: return seen(words(hidden));
  }
  return hidden;
}

Var Bert::sentence(const Var& hidden) {  // [B, T, C] -> [B, C]
  return encoder.pooler ? encoder.pooled(hidden) : first_token(hidden);
}

Var Bert::classify(const Var& sentence) {  // [B, C] -> [B, classes]
  GRAFT_CHECK(task == BertTask::classes, "BERT: this network tells no classes apart");
  if (!config.roberta) return head_->forward(drop_.forward(sentence));
  return head_->forward(drop_.forward(graft::tanh(dense_->forward(drop_.forward(sentence)))));
}

void Bert::replace_classes(int64_t classes, uint64_t seed) {
  GRAFT_CHECK(task == BertTask::classes, "BERT: this network tells no classes apart");
  GRAFT_CHECK_AS(UsageError, classes >= 1, "BERT: needs at least one class, got ", classes);
  DType dtype = head_->weight.var.value().dtype();
  head_ = std::make_unique<Linear>(config.width, classes, dtype);
  Init init{seed};
  init.normal(head_->weight, config.roberta ? "classifier.out_proj.weight" : "classifier.weight", 0.02);
  if (!config.roberta) return;
  dense_ = std::make_unique<Linear>(config.width, config.width, dtype);
  init.normal(dense_->weight, "classifier.dense.weight", 0.02);
}

Var Bert::words(const Var& hidden) {  // [B, T, vocabulary]
  // RoBERTa's file names no function here: it is GELU by its definition, as transformers writes it.
  Nonlinearity f = config.roberta ? Nonlinearity::gelu : config.activation;
  Var x = norm_->forward(linear_then(*dense_, f, hidden));  // [B, T, C]
  DType type = x.value().dtype();
  const Parameter& table = encoder.embeddings.word_embeddings.weight;
  return linear(x, rounded_to(table, type), rounded_to(word_bias_, type));
}

Var Bert::loss(const Var& logits, const Tensor& labels) const {
  GRAFT_CHECK(task != BertTask::features, "BERT: vectors have no loss");
  Device device = logits.value().device();
  Tensor given = labels.to(kCpu).contiguous();
  int64_t batch = logits.dim(0);
  Shape wanted = task == BertTask::classes     ? Shape{batch}
                 : task == BertTask::questions ? Shape{batch, 2}
                                               : Shape{batch, logits.dim(1)};
  GRAFT_CHECK(labels.shape() == wanted && labels.dtype() == DType::i64, "BERT: labels ", labels,
              " are not i64 ", wanted);
  if (task == BertTask::classes) return cross_entropy(logits, given.to(device));
  if (task == BertTask::words) {
    int64_t rows = batch * logits.dim(1);
    return cross_entropy(reshape(logits, {rows, logits.dim(2)}), given.reshape({rows}).to(device));
  }
  auto end_of = [&](int64_t which) {
    Var scores = reshape(slice(logits, 2, which, which + 1), {batch, logits.dim(1)});
    return cross_entropy(scores, given.slice(1, which, which + 1).contiguous().reshape({batch}).to(device));
  };
  return scale(add(end_of(0), end_of(1)), 0.5);
}

Var Bert::mean_pooled(const Var& hidden, const Tensor& lengths) {
  int64_t batch = hidden.dim(0), count = hidden.dim(1);
  Tensor shares = Tensor::zeros({batch, 1, count}, DType::f32);
  Tensor given = lengths.defined() ? lengths.to(kCpu).contiguous() : Tensor();
  for (int64_t b = 0; b < batch; ++b) {
    int64_t length = given.defined() ? given.data<int64_t>()[b] : count;
    GRAFT_CHECK_AS(DataError, length >= 0 && length <= count, "mean pooling: length ", length, " of ", count,
                   " tokens");
    for (int64_t t = 0; t < length; ++t)
      shares.data<float>()[b * count + t] = 1.0f / static_cast<float>(length);
  }
  Var weights(shares.to(hidden.value().dtype()).to(hidden.value().device()));  // [B, 1, T]
  return reshape(matmul(weights, hidden), {batch, hidden.dim(2)});             // [B, C]
}

}  // namespace graft::nn
