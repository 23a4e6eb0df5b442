#include "nn/models/text_classifier.h"

#include <algorithm>

namespace graft::nn {
namespace {

// The starting values of transformers' networks: matrices from a normal distribution.
void start(Module& network, uint64_t seed) {
  for (const NamedTensor& t : named_parameters(network)) {
    if (t.value().rank() == 2) Init{seed}.normal(*t.parameter, t.name, 0.02);
  }
}

}  // namespace

Tensor packed(const TextBatch& texts) {
  Shape shape = texts.ids.shape();
  GRAFT_CHECK(shape.rank() == 2 && texts.ids.dtype() == DType::i64, "texts: tokens ", texts.ids,
              " are not i64 [N, T]");
  GRAFT_CHECK(!texts.types.defined() || texts.types.shape() == shape, "texts: types ", texts.types,
              " of tokens ", texts.ids);
  GRAFT_CHECK(!texts.lengths.defined() || texts.lengths.shape() == Shape({shape[0]}), "texts: lengths ",
              texts.lengths, " of tokens ", texts.ids);
  int64_t rows = shape[0], most = shape[1];
  Tensor out = Tensor::zeros({rows, 1 + 2 * most}, DType::i64);
  out.slice(1, 1, 1 + most).copy_from(texts.ids);
  if (texts.types.defined()) out.slice(1, 1 + most, 1 + 2 * most).copy_from(texts.types);
  for (int64_t i = 0; i < rows; ++i) {
    out.data<int64_t>()[i * out.dim(1)] = texts.lengths.defined() ? texts.lengths.data<int64_t>()[i] : most;
  }
  return out;
}

TextBatch unpacked(const Tensor& batch) {
  GRAFT_CHECK(batch.rank() == 2 && batch.dtype() == DType::i64 && batch.dim(1) % 2 == 1, "texts: ", batch,
              " is not i64 [N, 1 + 2 T]");
  Tensor host = batch.to(kCpu);
  int64_t most = host.dim(1) / 2;
  TextBatch out;
  out.lengths = host.slice(1, 0, 1).contiguous().reshape({host.dim(0)});
  out.ids = host.slice(1, 1, 1 + most).contiguous();
  out.types = host.slice(1, 1 + most, 1 + 2 * most).contiguous();
  return out;
}

void TextNetwork::compute_on(Device device, DType precision) {
  GRAFT_CHECK_AS(UsageError, precision == dtype(), "texts are computed in ", dtype(), "; leave --precision ",
                 precision, " out");
  Headed::compute_on(device, precision);
}

BertClassifier::BertClassifier(const BertConfig& config, int64_t classes, uint64_t seed, DType dtype)
    : TextNetwork(dtype), net(config, BertTask::classes, classes, seed, dtype), classes_(classes) {}

Var BertClassifier::forward(const Var& batch) {
  return seen(net.classify(net.sentence(net.encoder.forward(unpacked(batch.value())))));
}

Var BertClassifier::features(const Var& batch) {
  Var hidden = net.encoder.forward(unpacked(batch.value()));  // [N, T, C]
  if (!new_pooler) return net.sentence(hidden);
  return reshape(slice(hidden, 1, 0, 1), {hidden.dim(0), hidden.dim(2)});
}

Var BertClassifier::head(const Var& pooled) {
  return net.classify(new_pooler ? graft::tanh(net.encoder.pooler->forward(pooled)) : pooled);
}

std::vector<Stage> BertClassifier::stages() const {
  std::string own = net.config.roberta ? "roberta." : "bert.";
  std::vector<Stage> out{{own + "embeddings", {own + "embeddings"}}};
  for (int64_t i = 0; i < net.config.layers; ++i) {
    std::string name = str(own, "encoder.layer.", i);
    out.push_back({name, {name}});
  }
  if (net.encoder.pooler) out.back().prefixes.push_back(own + "pooler");
  return out;
}

std::vector<std::string> BertClassifier::head_parts() const {
  if (new_pooler) return {"bert.pooler", "classifier"};
  return {"classifier"};
}

void BertClassifier::replace_head(int64_t classes, uint64_t seed) {
  net.replace_classes(classes, seed);
  classes_ = classes;
}

int64_t BertClassifier::most_tokens() const {
  return net.config.positions - (net.config.roberta ? net.config.padding + 1 : 0);
}

Gpt2Classifier::Gpt2Classifier(const Gpt2Config& c, int64_t classes, uint64_t seed, DType dtype)
    : TextNetwork(dtype), config(c), transformer(c, seed, dtype) {
  replace_head(classes, seed);
  start(*this, seed);
}

Var Gpt2Classifier::features(const Var& batch) {
  TextBatch texts = unpacked(batch.value());
  Var hidden = transformer.forward(texts.ids);  // [N, T, C]
  int64_t rows = hidden.dim(0), count = hidden.dim(1);
  Tensor last = Tensor::empty({rows}, DType::i64);
  for (int64_t i = 0; i < rows; ++i) {
    int64_t length = texts.lengths.data<int64_t>()[i];
    GRAFT_CHECK(length >= 1 && length <= count, "texts: ", length, " tokens of ", count);
    last.data<int64_t>()[i] = i * count + length - 1;
  }
  return embedding(reshape(hidden, {rows * count, hidden.dim(2)}), last.to(hidden.value().device()));
}

std::vector<Stage> Gpt2Classifier::stages() const {
  std::vector<Stage> out{{"transformer.wte", {"transformer.wte", "transformer.wpe"}}};
  for (int64_t i = 0; i < config.layers; ++i) {
    std::string name = str("transformer.h.", i);
    out.push_back({name, {name}});
  }
  out.back().prefixes.push_back("transformer.ln_f");
  return out;
}

void Gpt2Classifier::replace_head(int64_t classes, uint64_t seed) {
  GRAFT_CHECK_AS(UsageError, classes >= 1, "GPT-2: needs at least one class, got ", classes);
  score_ =
      std::make_unique<Linear>(Linear::Config{.in = config.width, .out = classes, .bias = false}, dtype());
  Init{seed}.normal(score_->weight, "score.weight", 0.02);
}

}  // namespace graft::nn
