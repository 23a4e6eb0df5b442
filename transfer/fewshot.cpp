#include "transfer/fewshot.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "autograd/ops.h"
#include "core/rng.h"
#include "data/text_dataset.h"
#include "nn/generate.h"
#include "transfer/embed.h"
#include "transfer/features.h"
#include "transfer/language.h"
#include "transfer/score.h"
#include "transfer/source.h"
#include "transfer/stopwatch.h"
#include "transfer/text_source.h"
#include "transfer/texts.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kShotsStream = 0x53484F5453;  // what the random numbers are for; any that no other has
constexpr double kSharpness = 10;                // of the softmax over cosines

Tensor at_length_one(const Tensor& rows) {
  NoGrad no_grad;
  return normalize_rows(Var(rows)).value();
}

Labelled labelled(const std::vector<data::TextRow>& rows, const std::vector<std::string>& classes) {
  Labelled out;
  out.classes = classes;
  for (const data::TextRow& row : rows) {
    out.files.push_back(text_of(row));
    out.labels.push_back(std::find(classes.begin(), classes.end(), row.label) - classes.begin());
  }
  return out;
}

template <class Row>
std::vector<Row> taken(const std::vector<Row>& rows, std::span<const int64_t> which) {
  std::vector<Row> out;
  for (int64_t i : which) out.push_back(rows.at(static_cast<size_t>(i)));
  return out;
}

// The held-out samples that are scored.
std::vector<int64_t> limited(int64_t count, const FewshotOptions& options) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  if (options.limit == 0 || options.limit >= count) return order;
  Rng(options.seed, kShotsStream, 1).shuffle(order);
  order.resize(static_cast<size_t>(options.limit));
  std::sort(order.begin(), order.end());
  return order;
}

void by_prompt(const FewshotOptions& options, const std::vector<data::TextRow>& examples,
               const std::vector<data::TextRow>& test, FewshotResult& out, const OnProgress& on_progress) {
  Language language = load_language(options.weights);
  data::Tokenizer tokenizer = data::open_tokenizer_files(options.weights, published_files(options.weights));
  tokenizer.require_rows(language.model->vocabulary(), language.family);
  Prompted prompted =
      choose_by_prompt(*language.model, tokenizer, examples, test, out.classes, options.prompt, on_progress);
  out.method = "prompt";
  out.evaluation = std::move(prompted.evaluation);
  out.dropped = prompted.dropped;
}

void by_text_features(const FewshotOptions& options, const std::vector<data::TextRow>& examples,
                      const std::vector<data::TextRow>& test, FewshotResult& out,
                      const OnProgress& on_progress) {
  TextEncoder encoder = load_text_encoder(options.weights);
  data::Tokenizer tokenizer = data::open_tokenizer_files(options.weights, published_files(options.weights));
  auto vectors = [&](const std::vector<data::TextRow>& rows) {
    std::vector<std::string> texts;
    for (const data::TextRow& row : rows) texts.push_back(text_of(row));
    return embed_texts(*encoder.model, tokenizer, texts, {}, on_progress).vectors;
  };
  out.method = "prototypes";
  out.evaluation = nearest_prototype(vectors(examples), labelled(examples, out.classes), vectors(test),
                                     labelled(test, out.classes));
}

void of_texts(const FewshotOptions& options, FewshotResult& out, const OnProgress& on_progress) {
  out.model = text_family(options.weights);
  GRAFT_CHECK_AS(UsageError, out.model != "t5",
                 "fewshot: T5 is not prompted with examples; use GPT-2, BERT or "
                 "RoBERTa");
  data::TextDataset dataset = data::read_text_dataset(
      options.data, {.table = options.table, .test_share = options.test_share, .seed = options.seed});
  out.classes = dataset.classes;
  std::vector<int64_t> shots =
      draw_shots(labelled(dataset.train, dataset.classes), options.shots, options.seed);
  std::vector<data::TextRow> examples = taken(dataset.train, shots);
  std::vector<data::TextRow> test =
      taken(dataset.test, limited(static_cast<int64_t>(dataset.test.size()), options));
  out.examples = static_cast<int64_t>(examples.size());
  if (out.model == "gpt2") {
    by_prompt(options, examples, test, out, on_progress);
  } else {
    by_text_features(options, examples, test, out, on_progress);
  }
  out.evaluation.samples = Samples::texts;
}

void of_pictures(const FewshotOptions& options, FewshotResult& out, const OnProgress& on_progress) {
  nn::model_info(options.model);  // an unknown model is told before anything else
  GRAFT_CHECK_AS(UsageError, !options.weights.empty(), "fewshot: --model ", options.model,
                 " needs --weights: the file of its published weights");
  data::Dataset dataset =
      data::scan_folder(options.data, {.test_share = options.test_share, .seed = options.seed});
  Labelled all;
  all.classes = dataset.classes;
  for (const data::Sample& sample : dataset.train) {
    all.files.push_back(sample.file);
    all.labels.push_back(sample.label);
  }
  std::vector<data::Sample> examples = taken(dataset.train, draw_shots(all, options.shots, options.seed));
  std::vector<data::Sample> test =
      taken(dataset.test, limited(static_cast<int64_t>(dataset.test.size()), options));
  Published published = load_published(options.model, options.weights, options.channels);
  const data::Preprocess& preprocess = published.preprocess;
  published.network->eval();
  auto featured = [&](const std::vector<data::Sample>& samples, Labelled& names) {
    PictureExamples set(load_pictures(dataset, samples, preprocess, on_progress), preprocess);
    names = set.labelled();
    FeatureOptions how{.architecture = options.model, .cache = options.cache};
    return features_of(*published.network, set, how, on_progress).views[0];
  };
  Labelled example_names, test_names;
  Tensor example_features = featured(examples, example_names), test_features = featured(test, test_names);
  out.model = options.model;
  out.method = "prototypes";
  out.classes = dataset.classes;
  out.examples = static_cast<int64_t>(examples.size());
  out.evaluation = nearest_prototype(example_features, example_names, test_features, test_names);
}

// One prompt: its parts' tokens, those of the first examples left out until all fits.
class Prompt {
 public:
  Prompt(const data::Tokenizer& tokenizer, const PromptOptions& options,
         const std::vector<data::TextRow>& examples)
      : tokenizer_(tokenizer), options_(options) {
    for (const data::TextRow& row : examples)
      examples_.push_back(tokens(str(question(row), " ", row.label, "\n\n")));
  }

  // The tokens up to the choice, at most `room`; counts the examples that had to go.
  std::vector<int64_t> up_to(const data::TextRow& row, int64_t room, int64_t& dropped) const {
    std::vector<int64_t> end = tokens(question(row));
    auto used = static_cast<int64_t>(end.size());
    GRAFT_CHECK_AS(DataError, used <= room, row.place, ": the text has ", used,
                   " tokens, and the network has ", "room for ", room);
    size_t first = examples_.size();
    while (first > 0 && used + static_cast<int64_t>(examples_[first - 1].size()) <= room)
      used += static_cast<int64_t>(examples_[--first].size());
    dropped += static_cast<int64_t>(first);
    std::vector<int64_t> out;
    for (size_t i = first; i < examples_.size(); ++i)
      out.insert(out.end(), examples_[i].begin(), examples_[i].end());
    out.insert(out.end(), end.begin(), end.end());
    return out;
  }
  std::vector<int64_t> tokens(const std::string& text) const {
    return tokenizer_.encode(text, {.add_special = false}).ids;
  }

 private:
  std::string question(const data::TextRow& row) const {
    return str(options_.text_word, ": ", text_of(row), "\n", options_.label_word, ":");
  }
  const data::Tokenizer& tokenizer_;
  const PromptOptions& options_;
  std::vector<std::vector<int64_t>> examples_;
};

}  // namespace

std::vector<int64_t> draw_shots(const Labelled& all, int64_t shots, uint64_t seed) {
  GRAFT_CHECK_AS(UsageError, shots >= 1, "fewshot: ", shots, " examples of each class; at least 1 is needed");
  std::vector<int64_t> out;
  for (size_t c = 0; c < all.classes.size(); ++c) {
    std::vector<int64_t> members;
    for (size_t i = 0; i < all.labels.size(); ++i) {
      if (all.labels[i] == static_cast<int64_t>(c)) members.push_back(static_cast<int64_t>(i));
    }
    auto count = static_cast<int64_t>(members.size());
    GRAFT_CHECK_AS(DataError, count >= shots, "fewshot: ", shots,
                   " examples of each class are wanted, but \"", printable(all.classes[c]), "\" has ", count);
    Rng(seed, kShotsStream, c + 2).shuffle(members);
    out.insert(out.end(), members.begin(), members.begin() + shots);
  }
  Rng(seed, kShotsStream, 0).shuffle(out);
  return out;
}

Evaluation nearest_prototype(const Tensor& features, const Labelled& examples, const Tensor& test_features,
                             const Labelled& test) {
  auto classes = static_cast<int64_t>(examples.classes.size());
  Tensor rows = at_length_one(features), sums = Tensor::zeros({classes, features.dim(1)});
  for (int64_t i = 0; i < rows.dim(0); ++i) {
    float* to = sums.data<float>() + examples.labels.at(static_cast<size_t>(i)) * rows.dim(1);
    for (int64_t f = 0; f < rows.dim(1); ++f) to[f] += rows.data<float>()[i * rows.dim(1) + f];
  }
  NoGrad no_grad;
  Tensor prototypes = at_length_one(sums);  // the mean's direction is the sum's
  Var cosines = matmul_nt(Var(at_length_one(test_features)), Var(prototypes));
  return evaluation_of(scale(cosines, kSharpness).value(), test);
}

Prompted choose_by_prompt(nn::LanguageModel& network, const data::Tokenizer& tokenizer,
                          const std::vector<data::TextRow>& examples, const std::vector<data::TextRow>& test,
                          const std::vector<std::string>& classes, const PromptOptions& options,
                          const OnProgress& on_progress) {
  Prompt prompt(tokenizer, options, examples);
  std::vector<std::vector<int64_t>> choices;
  size_t longest = 0;
  for (const std::string& name : classes) {
    choices.push_back(prompt.tokens(" " + name));
    GRAFT_CHECK_AS(DataError, !choices.back().empty(), "fewshot: the class \"", printable(name),
                   "\" has no token");
    longest = std::max(longest, choices.back().size());
  }
  int64_t room = network.most_tokens() - static_cast<int64_t>(longest);
  Prompted out;
  auto count = static_cast<int64_t>(test.size()), width = static_cast<int64_t>(classes.size());
  Tensor scores = Tensor::empty({count, width}, DType::f64);
  for (int64_t i = 0; i < count; ++i) {
    std::vector<int64_t> tokens = prompt.up_to(test[static_cast<size_t>(i)], room, out.dropped);
    std::vector<double> likelihoods = nn::score(network, tokens, choices);
    for (size_t c = 0; c < choices.size(); ++c) {
      double share = options.per_token ? static_cast<double>(choices[c].size()) : 1;
      scores.data<double>()[i * width + static_cast<int64_t>(c)] = likelihoods[c] / share;
    }
    if (on_progress) on_progress({.phase = "fewshot", .done = i + 1, .total = count});
  }
  out.evaluation = evaluation_of(scores, labelled(test, classes));
  return out;
}

FewshotResult fewshot(const FewshotOptions& options, const OnProgress& on_progress) {
  Stopwatch watch;
  GRAFT_CHECK_AS(UsageError, options.limit >= 0, "fewshot: a limit of ", options.limit, " samples");
  GRAFT_CHECK_AS(UsageError, !options.channels || !options.model.empty(), "fewshot: channels ",
                 *options.channels, ": texts have none; that is of pictures");
  FewshotResult out;
  if (options.model.empty()) {
    of_texts(options, out, on_progress);
  } else {
    of_pictures(options, out, on_progress);
  }
  out.seconds = watch.seconds();
  return out;
}

}  // namespace graft::transfer
