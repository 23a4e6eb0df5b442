#include "transfer/zeroshot.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "data/dataset.h"
#include "transfer/embed.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;

std::string prompt(const std::string& pattern, const std::string& label) {
  std::string text;
  for (size_t at = 0;;) {
    size_t hole = pattern.find("{}", at);
    text += pattern.substr(at, hole == std::string::npos ? hole : hole - at);
    if (hole == std::string::npos) return text;
    text += label;
    at = hole + 2;
  }
}

void check_words(const std::vector<std::string>& labels, const std::vector<std::string>& templates) {
  GRAFT_CHECK_AS(UsageError, labels.size() >= 2, "zeroshot: ", labels.size(),
                 labels.size() == 1 ? " label" : " labels", ", needs two or more to choose from");
  std::set<std::string> seen;
  for (size_t i = 0; i < labels.size(); ++i) {
    GRAFT_CHECK_AS(UsageError, labels[i].find_first_not_of(" \t") != std::string::npos, "zeroshot: label ",
                   i + 1, " is empty");
    GRAFT_CHECK_AS(UsageError, is_utf8(labels[i]), "zeroshot: label ", i + 1, ", ", printable(labels[i]),
                   ", is not valid UTF-8");
    GRAFT_CHECK_AS(UsageError, seen.insert(labels[i]).second, "zeroshot: the label \"", printable(labels[i]),
                   "\" stands twice in the list");
  }
  for (const std::string& pattern : templates) {
    GRAFT_CHECK_AS(UsageError, pattern.find("{}") != std::string::npos, "zeroshot: template \"",
                   printable(pattern), "\" has no {} where the label goes");
  }
}

// The data set that a folder is, or none: a folder of pictures need not be one.
std::optional<data::Dataset> class_folders(const std::string& folder) {
  try {
    return data::scan_folder(folder, {.test_share = 0, .seed = 0});
  } catch (const DataError&) {
    return std::nullopt;
  }
}

std::string normal(const std::string& path) {
  return fs::path(path).lexically_normal().string();
}

}  // namespace

const std::vector<std::string>& prompt_templates() {
  static const std::vector<std::string> all = {"a photo of a {}.",
                                               "a picture that shows a {}.",
                                               "a snapshot with a {} in it.",
                                               "a {} seen from nearby.",
                                               "a {} seen from far away.",
                                               "a {} outdoors, in daylight.",
                                               "a {} in poor light, hard to make out.",
                                               "several {} side by side.",
                                               "what fills this picture is a {}.",
                                               "an everyday view of a {}, nothing special."};
  return all;
}

Tensor class_vectors(nn::Clip& clip, const data::Tokenizer& tokenizer, const std::vector<std::string>& labels,
                     const std::vector<std::string>& templates, const OnProgress& on_progress) {
  check_words(labels, templates);
  GRAFT_CHECK_AS(UsageError, !templates.empty(), "zeroshot: no template");
  std::vector<std::string> texts;
  for (const std::string& label : labels) {
    for (const std::string& pattern : templates) texts.push_back(prompt(pattern, label));
  }
  Tensor vectors = embed_texts(clip, tokenizer, texts, {.normalize = true}, on_progress).vectors;
  auto count = static_cast<int64_t>(labels.size()), each = static_cast<int64_t>(templates.size());
  NoGrad no_grad;
  // The mean as a product with a row of equal shares; its length is 1 again in the end.
  Var shares(Tensor::full({count, 1, each}, 1.0 / static_cast<double>(each)));
  Var means = matmul(shares, Var(vectors.reshape({count, each, vectors.dim(1)})));  // [labels, 1, projection]
  return normalize_rows(reshape(means, {count, vectors.dim(1)})).value();
}

Artefact open_zeroshot(const ZeroShot& options, const OnProgress& on_progress) {
  check(options.compute);
  const std::vector<std::string>& templates =
      options.templates.empty() ? prompt_templates() : options.templates;
  check_words(options.labels, templates);  // before a network is read
  LoadedClip loaded = load_clip(options.weights);
  data::Tokenizer tokenizer = data::open_tokenizer(loaded.folder);
  Tensor head = class_vectors(*loaded.model, tokenizer, options.labels, templates, on_progress);
  double factor = std::exp(loaded.model->logit_scale.var.value().to(DType::f64).data<double>()[0]);
  NoGrad no_grad;
  Artefact out;
  out.network =
      std::make_unique<nn::ClipClassifier>(std::move(*loaded.model), scale(Var(head), factor).value());
  out.network->eval();
  out.model = "clip";
  out.strategy = "zeroshot";
  out.labels = options.labels;
  out.preprocess = loaded.preprocess;
  place(*out.network, options.compute);
  return out;
}

FolderAccuracy accuracy_by_folder(const std::vector<Prediction>& predictions,
                                  const std::vector<std::string>& folders,
                                  const std::vector<std::string>& labels) {
  std::map<std::string, std::string> truth;  // of each picture
  for (const std::string& folder : folders) {
    if (!fs::is_directory(folder)) continue;
    auto dataset = class_folders(folder);
    bool known =
        dataset && std::all_of(dataset->classes.begin(), dataset->classes.end(), [&](const auto& name) {
          return std::find(labels.begin(), labels.end(), name) != labels.end();
        });
    if (!known) continue;
    for (const auto* part : {&dataset->train, &dataset->test}) {
      for (const data::Sample& sample : *part)
        truth[normal(dataset->path(sample))] = dataset->classes[static_cast<size_t>(sample.label)];
    }
  }
  FolderAccuracy out;
  for (const Prediction& prediction : predictions) {
    auto found = truth.find(normal(prediction.file));
    if (found == truth.end() || !prediction.error.empty()) continue;
    ++out.count;
    out.right += prediction.label == found->second;
  }
  return out;
}

}  // namespace graft::transfer
