// Classifiers of texts: BERT and RoBERTa on the first token's vector (transformers'
// BertForSequenceClassification, RobertaForSequenceClassification), GPT-2 on the last token's
// (GPT2ForSequenceClassification). Their batches are texts that are one tensor, so that whatever feeds
// networks need not know what it feeds: i64 [N, 1 + 2 T], in each row how many tokens the text has, then T
// tokens, then which of two texts each belongs to.
#pragma once

#include "nn/models/bert.h"
#include "nn/models/gpt2.h"
#include "nn/models/headed.h"

namespace graft::nn {

// Throws Error for tensors that do not belong together.
Tensor packed(const TextBatch& texts);
TextBatch unpacked(const Tensor& batch);

// A network of texts, with what has to be known of it to make its batches.
class TextNetwork : public Headed {
 public:
  virtual int64_t vocabulary() const = 0;
  // The most tokens of a text; 0: any number.
  virtual int64_t most_tokens() const = 0;
  bool recordable() const override { return false; }
  // In the type of its tensors only: throws UsageError for bf16.
  void compute_on(Device device, DType precision) override;

 protected:
  using Headed::Headed;
};

class BertClassifier : public TextNetwork {
 public:
  BertClassifier(const BertConfig& config, int64_t classes, uint64_t seed = 0, DType dtype = DType::f32);
  void parts(Parts& p) override { net.parts(p); }
  Var forward(const Var& batch) override;
  Var features(const Var& batch) override;
  Var head(const Var& pooled) override;
  std::vector<Stage> stages() const override;
  std::string head_name() const override { return "classifier"; }
  std::vector<std::string> head_parts() const override;
  bool linear_head() const override { return !net.config.roberta && !new_pooler; }
  int64_t classes() const override { return classes_; }
  void replace_head(int64_t classes, uint64_t seed) override;
  int64_t vocabulary() const override { return net.config.vocabulary; }
  int64_t most_tokens() const override;

  Bert net;
  // The file had no pooler (those of masked words alone have none): it starts at random, so it is a part of
  // the head.
  bool new_pooler = false;

 private:
  int64_t classes_;
};

class Gpt2Classifier : public TextNetwork {
 public:
  Gpt2Classifier(const Gpt2Config& config, int64_t classes, uint64_t seed = 0, DType dtype = DType::f32);
  void parts(Parts& p) override { p("transformer", transformer)("score", *score_); }
  Var forward(const Var& batch) override { return seen(head(features(batch))); }
  // The vector of each text's last token.
  Var features(const Var& batch) override;
  Var head(const Var& pooled) override { return score_->forward(pooled); }
  std::vector<Stage> stages() const override;
  std::string head_name() const override { return "score"; }
  bool linear_head() const override { return false; }  // it has no bias
  int64_t classes() const override { return score_->weight.var.dim(0); }
  void replace_head(int64_t classes, uint64_t seed) override;
  int64_t vocabulary() const override { return config.vocabulary; }
  int64_t most_tokens() const override { return config.positions; }

  Gpt2Config config;
  Gpt2Trunk transformer;

 private:
  std::unique_ptr<Linear> score_;
};

}  // namespace graft::nn
