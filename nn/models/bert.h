// BERT (Devlin et al., "BERT: pre-training of deep bidirectional transformers", 2019) and RoBERTa (Liu et
// al., 2019), of any size. Names and order as transformers'. What is particular: norms come after attention
// and feed-forward part, with a very small epsilon (1e-12, RoBERTa 1e-5), GELU is by its definition, and
// RoBERTa counts positions from the one after its padding token's number.
#pragma once

#include <optional>

#include "nn/transformer.h"

namespace graft::nn {

struct BertConfig {
  int64_t width = 768, layers = 12, heads = 12, inner = 3072;
  int64_t vocabulary = 30522, positions = 512, types = 2;
  double eps = 1e-12;
  Nonlinearity activation = Nonlinearity::gelu;
  double dropout = 0.1;  // of vectors, not of attention's probabilities, which graft does not drop
  bool roberta = false;  // its names, positions and heads
  int64_t padding = 0;   // the token that fills up a batch; RoBERTa's positions start after its number
};
inline constexpr BertConfig kBertBase{}, kBertLarge{1024, 24, 16, 4096}, kBertTiny{128, 2, 2, 512},
    kMiniLmL6{384, 6, 12, 1536};
inline constexpr BertConfig kRobertaBase{768, 12,   12, 3072, 50265, 514, 1, 1e-5, Nonlinearity::gelu,
                                         0.1, true, 1};

// A batch of texts. ids and types i64 [B, T] on the CPU; types (which of two texts a token belongs to) may be
// undefined: all 0. lengths i64 [B]: tokens from there on are padding; undefined: none are.
struct TextBatch {
  Tensor ids, types, lengths;
};

class BertEmbeddings : public Module {
 public:
  BertEmbeddings(const BertConfig& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override;
  Var forward(const TextBatch& texts);  // [B, T, C]

  Embedding word_embeddings, position_embeddings, token_type_embeddings;
  LayerNorm norm;
  Dropout drop;

 private:
  Tensor positions_of(const Tensor& ids) const;
  bool roberta_;
  int64_t padding_;
};

// x [B, T, C] -> [B, T, C]: attention to all tokens but padding, then a feed-forward part, a norm after each.
class BertLayer : public Module {
 public:
  BertLayer(const BertConfig& config, uint64_t seed, DType dtype);
  void parts(Parts& p) override;
  Var forward(const Var& x, const Tensor& lengths);

  Linear query, key, value, attended;
  LayerNorm attention_norm;
  Linear intermediate, output;
  LayerNorm output_norm;
  Dropout attention_drop, output_drop;
  Nonlinearity activation;
  int64_t heads;
};

class BertEncoder : public Module {
 public:
  // The pooler, a layer on the first token's vector, is in the files of some heads only.
  BertEncoder(const BertConfig& config, bool with_pooler, uint64_t seed, DType dtype);
  void parts(Parts& p) override;
  Var forward(const TextBatch& texts);  // [B, T, C]
  // [B, T, C] -> [B, C].
  Var pooled(const Var& hidden);

  BertEmbeddings embeddings;
  ModuleList<BertLayer> layers;
  std::unique_ptr<Linear> pooler;
};

// Which task a network was trained for, and so which tensors it has beyond the encoder's.
enum class BertTask : uint8_t {
  features,   // none: vectors of tokens and texts
  classes,    // logits [B, classes], of one text or a pair
  questions,  // logits [B, T, 2]: where the answer begins, and where it ends
  words,      // logits [B, T, vocabulary]: the masked words
};

class Bert : public Module {
 public:
  // Starting values by `seed`; without one zeros, to be loaded. `classes` is for the task of that name.
  Bert(const BertConfig& config, BertTask task, int64_t classes = 2, std::optional<uint64_t> seed = {},
       DType dtype = DType::f32);
  void parts(Parts& p) override;

  // What the task makes of the texts; for `features` the vectors, [B, T, C].
  Var forward(const TextBatch& texts);
  // The two steps of `classes` after the encoder: the vector that stands for the text [B, C], which is the
  // pooler's or, where there is none, the first token's; and logits [B, classes] of it.
  Var sentence(const Var& hidden);
  Var classify(const Var& sentence);
  // A new last part for `classes`, with starting values by `seed`.
  void replace_classes(int64_t classes, uint64_t seed);
  // The mean cross-entropy, in nats, of logits from forward. labels i64: of classes [B]; of questions [B, 2],
  // the answer's first and last token; of words [B, T], -100 where a word does not count.
  Var loss(const Var& logits, const Tensor& labels) const;
  // The mean of a text's vectors, padding left out (Reimers and Gurevych, "Sentence-BERT", 2019): hidden [B,
  // T, C] -> [B, C].
  static Var mean_pooled(const Var& hidden, const Tensor& lengths);

  BertConfig config;
  BertTask task;
  BertEncoder encoder;

 private:
  Var words(const Var& hidden);

  Dropout drop_;
  std::unique_ptr<Linear> dense_;    // RoBERTa's classes: before the last layer; words: the transform
  std::unique_ptr<LayerNorm> norm_;  // words
  std::unique_ptr<Linear> head_;     // classes, questions
  Parameter word_bias_;              // words; their weight is the table of word vectors
};

}  // namespace graft::nn
