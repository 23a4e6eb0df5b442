// A few examples of each class and no training: as examples in a prompt that a language model goes on with
// (Brown et al., "Language models are few-shot learners", 2020), or as the class's mean vector among frozen
// features (Snell et al., "Prototypical networks for few-shot learning", 2017).
#pragma once

#include <string>
#include <vector>

#include "data/text/tokenizer.h"
#include "data/text_table.h"
#include "nn/language_model.h"
#include "transfer/compute.h"
#include "transfer/examples.h"

namespace graft::transfer {

// `shots` samples of each class, drawn by seed; all in one random order. Throws DataError, naming the class,
// where one has fewer.
std::vector<int64_t> draw_shots(const Labelled& all, int64_t shots, uint64_t seed);

// Each sample gets the class whose prototype, the mean of its examples' vectors at length 1, is nearest by
// angle. features [n, F], f32; row i is sample i. Probabilities are the softmax of ten times the cosine.
Evaluation nearest_prototype(const Tensor& features, const Labelled& examples, const Tensor& test_features,
                             const Labelled& test);

// How examples become a prompt: "Text: ... \nLabel: positive\n\n", and at the end the text in question up to
// "Label:". The choices are the classes' names, with a space before.
struct PromptOptions {
  std::string text_word = "Text", label_word = "Label";
  bool per_token = false;  // choices by log-likelihood for each of their tokens, not of the whole
};
struct Prompted {
  Evaluation evaluation;
  int64_t dropped = 0;  // examples that did not fit before a text, over all texts
};
// The choice that the network finds most probable after the prompt. Where a prompt is longer than the network
// has positions, its first examples are left out. Throws DataError for a text that does not fit even alone.
Prompted choose_by_prompt(nn::LanguageModel& network, const data::Tokenizer& tokenizer,
                          const std::vector<data::TextRow>& examples, const std::vector<data::TextRow>& test,
                          const std::vector<std::string>& classes, const PromptOptions& options,
                          const OnProgress& on_progress = {});

struct FewshotOptions {
  std::string data;     // as TuneOptions' data
  std::string model;    // of pictures; empty of texts
  std::string weights;  // as TuneOptions' weights
  int64_t shots = 4;
  uint64_t seed = 0;
  int64_t limit = 0;  // held-out samples that are scored, the first of a random order; 0: all
  double test_share = 0.2;
  data::TableOptions table = {};
  PromptOptions prompt = {};
  bool cache = true;                     // features may be kept in env::cache()
  std::optional<int64_t> channels = {};  // of pictures, as TuneOptions'
};
struct FewshotResult {
  std::string method;  // "prompt", "prototypes"
  std::string model;
  std::vector<std::string> classes;
  Evaluation evaluation;
  int64_t examples = 0, dropped = 0;
  double seconds = 0;
};
// GPT-2 is prompted; BERT, RoBERTa and networks of pictures make features. Throws as tune does.
FewshotResult fewshot(const FewshotOptions& options, const OnProgress& on_progress = {});

}  // namespace graft::transfer
