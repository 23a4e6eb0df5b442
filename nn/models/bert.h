// BERT (Devlin et al., "BERT: pre-training of deep bidirectional transformers for language understanding",
// 2019) with a head that classifies sentences and pairs of them. Names and order as transformers'
// BertForSequenceClassification. What is particular: norms come after each sum, their epsilon is 1e-12, and
// GELU is the exact one.
#pragma once

#include <optional>

#include "nn/transformer.h"

namespace graft::nn {

struct BertConfig {
  int64_t width = 768, layers = 12, heads = 12, inner = 3072;
  int64_t vocabulary = 30522, positions = 512, types = 2;
  int64_t padding = 0;  // the token whose vector gets no gradient
  double eps = 1e-12;
  Nonlinearity activation = Nonlinearity::gelu;
  double dropout = 0.1;  // of vectors, not of attention's probabilities, which graft does not drop
};
inline constexpr BertConfig kBertBase{}, kBertLarge{1024, 24, 16, 4096}, kBertTiny{128, 2, 2, 512},
    kMiniLmL6{384, 6, 12, 1536};

// Tokens as a tokenizer gives them, all i64 [B, T].
struct BertInput {
  Tensor ids;
  Tensor types = {};  // 0 for the first text, 1 for the second of a pair; undefined: all 0
  Tensor mask = {};   // ones, then zeros for padding on the right; undefined: all are words
};

// -> [B, T, C]: the sum of the vectors of word, position and type, normalised.
class BertEmbeddings : public Module {
 public:
  BertEmbeddings(const BertConfig& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override;
  Var forward(const BertInput& input);

  Embedding word_embeddings, position_embeddings, token_type_embeddings;
  LayerNorm norm;
  Dropout drop;
};

// x [B, T, C] -> [B, T, C]: each token sees all that are no padding.
class BertLayer : public Module {
 public:
  BertLayer(const BertConfig& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override;
  // lengths: i64 [B], or undefined where nothing is padding.
  Var forward(const Var& x, const Tensor& lengths);

  Linear query, key, value, attention_output;
  LayerNorm attention_norm;
  Linear intermediate, output;
  LayerNorm norm;
  Dropout attention_drop, drop;

 private:
  int64_t heads_;
  Nonlinearity activation_;
};

// -> [B, T, C], the last layer's vectors.
class BertTrunk : public Module {
 public:
  BertTrunk(const BertConfig& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override {
    p("embeddings", embeddings)("encoder.layer", layers)("pooler.dense", pooler);
  }
  Var forward(const BertInput& input);
  // [B, T, C] -> [B, C]: the first token's vector, through a layer of its own.
  Var pool(const Var& hidden) const;

  BertEmbeddings embeddings;
  ModuleList<BertLayer> layers;
  Linear pooler;
};

class BertClassifier : public Module {
 public:
  // Starting values by `seed`; without one zeros, to be loaded.
  BertClassifier(const BertConfig& config, int64_t classes, std::optional<uint64_t> seed = {},
                 DType dtype = DType::f32);
  void parts(Parts& p) override { p("bert", bert)("dropout", drop)("classifier", classifier); }
  // -> logits [B, classes].
  Var forward(const BertInput& input);

  BertConfig config;
  BertTrunk bert;
  Dropout drop;
  Linear classifier;
};

}  // namespace graft::nn
