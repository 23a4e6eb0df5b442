// Language models as the training loop takes them: a batch of tokens in, a row of logits for each token that
// is to be predicted out. They have no head to replace; their last layers or all of them are trained.
#pragma once

#include "nn/models/t5.h"
#include "nn/models/text_classifier.h"

namespace graft::nn {

class LanguageTask : public TextNetwork {
 public:
  Var features(const Var& batch) override { return forward(batch); }
  Var head(const Var& pooled) override { return pooled; }
  std::string head_name() const override { return "lm_head"; }
  std::vector<std::string> head_parts() const override { return {}; }
  bool linear_head() const override { return false; }
  int64_t classes() const override { return vocabulary(); }
  // Throws UsageError: the head is the vocabulary.
  void replace_head(int64_t classes, uint64_t seed) override;
  virtual LanguageModel& model() = 0;

 protected:
  using TextNetwork::TextNetwork;
};

// Tokens i64 [N, T] -> logits [N T, vocabulary] of what follows each.
class Gpt2Task : public LanguageTask {
 public:
  explicit Gpt2Task(const Gpt2Config& config, std::optional<uint64_t> seed = {})
      : LanguageTask(DType::f32), net(config, seed) {}
  void parts(Parts& p) override { net.parts(p); }
  Var forward(const Var& batch) override;
  std::vector<Stage> stages() const override;
  int64_t vocabulary() const override { return net.config.vocabulary; }
  int64_t most_tokens() const override { return net.config.positions; }
  LanguageModel& model() override { return net; }

  Gpt2 net;
};

// Sources and wanted results, as packed_pairs makes them -> logits [N T, vocabulary] of each wanted token.
class T5Task : public LanguageTask {
 public:
  explicit T5Task(const T5Config& config, std::optional<uint64_t> seed = {})
      : LanguageTask(DType::f32), net(config, seed) {}
  void parts(Parts& p) override { net.parts(p); }
  Var forward(const Var& batch) override;
  std::vector<Stage> stages() const override;
  int64_t vocabulary() const override { return net.config.vocabulary; }
  int64_t most_tokens() const override { return 0; }
  LanguageModel& model() override { return net; }

  T5 net;
};

// One tensor i64 [N, 2 + S + T]: in each row the source's length, S, its tokens, and the wanted tokens, -100
// behind their end. ids [N, S], lengths [N], wanted [N, T].
Tensor packed_pairs(const Tensor& ids, const Tensor& lengths, const Tensor& wanted);

}  // namespace graft::nn
