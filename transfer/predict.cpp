#include <algorithm>
#include <filesystem>
#include <numeric>

#include "core/parallel.h"
#include "data/text_dataset.h"
#include "transfer/label_file.h"
#include "transfer/picture_files.h"
#include "transfer/score.h"
#include "transfer/source.h"
#include "transfer/stopwatch.h"
#include "transfer/texts.h"
#include "transfer/tune.h"

namespace graft::transfer {
namespace {

// The index in `labels` of each of the data set's classes.
std::vector<int64_t> label_indices(const std::vector<std::string>& classes,
                                   const std::vector<std::string>& labels, const std::string& folder) {
  std::vector<int64_t> out;
  for (const std::string& name : classes) {
    auto it = std::find(labels.begin(), labels.end(), name);
    GRAFT_CHECK_AS(DataError, it != labels.end(), folder, ": the class folder \"", printable(name),
                   "\" is none of the network's ", labels.size(), " labels");
    out.push_back(it - labels.begin());
  }
  return out;
}

Prediction prediction_of(const std::string& file, std::span<const float> probabilities,
                         const std::vector<std::string>& labels) {
  std::vector<int64_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  auto top = std::min<std::ptrdiff_t>(5, static_cast<std::ptrdiff_t>(order.size()));
  std::partial_sort(order.begin(), order.begin() + top, order.end(), [&](int64_t a, int64_t b) {
    float p = probabilities[static_cast<size_t>(a)], q = probabilities[static_cast<size_t>(b)];
    return p != q ? p > q : a < b;
  });
  Prediction out;
  out.file = file;
  for (auto i = 0; i < top; ++i) {
    int64_t index = order[static_cast<size_t>(i)];
    out.top.push_back({labels[static_cast<size_t>(index)], index, probabilities[static_cast<size_t>(index)]});
  }
  out.label = out.top.front().label;
  out.probability = out.top.front().probability;
  return out;
}

// Decodes files [begin, end) in parallel. Unreadable ones stay empty, and `errors` says why.
PictureSet read_files(std::span<const std::string> files, int64_t channels,
                      std::vector<std::string>& errors) {
  PictureSet out;
  out.files.assign(files.begin(), files.end());
  out.labels.assign(files.size(), 0);
  out.pixels.resize(files.size());
  errors.assign(files.size(), "");
  parallel_for(static_cast<int64_t>(files.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      try {
        out.pixels[i] =
            std::make_shared<const data::Image>(data::read_image(files[i], {.channels = channels}));
      } catch (const DataError& e) {
        errors[i] = e.what();
      }
    }
  });
  return out;
}

}  // namespace

namespace {

std::unique_ptr<Examples> picture_tests(const Artefact& artefact, const std::string& folder,
                                        const OnProgress& on_progress) {
  data::Dataset dataset = data::scan_folder(folder, {.test_share = 0, .seed = 0});
  std::vector<int64_t> indices = label_indices(dataset.classes, artefact.labels, folder);
  const auto& samples = dataset.test.empty() ? dataset.train : dataset.test;
  PictureSet set = load_pictures(dataset, samples, artefact.preprocess, on_progress);
  for (int64_t& label : set.labels) label = indices[static_cast<size_t>(label)];
  set.classes = artefact.labels;
  return std::make_unique<PictureExamples>(std::move(set), artefact.preprocess);
}

std::unique_ptr<Examples> text_tests(const Artefact& artefact, const std::string& path,
                                     const data::TableOptions& options) {
  data::TextTable table = data::read_text_tests(path, options);
  GRAFT_CHECK_AS(DataError, table.pairs == artefact.text.pairs, printable(path), ": ",
                 table.pairs ? "two texts" : "one text", " in a row; the network was trained on ",
                 artefact.text.pairs ? "pairs" : "single ones");
  return std::make_unique<TextExamples>(table.rows, artefact.labels, *artefact.tokenizer,
                                        artefact.text.max_length);
}

}  // namespace

EvaluateResult evaluate(const Source& source, const std::string& data, const OnProgress& on_progress,
                        const data::TableOptions& table) {
  Stopwatch watch;
  Artefact artefact = open_source(source);
  std::unique_ptr<Examples> set;
  switch (artefact.samples) {
    case Samples::pictures: set = picture_tests(artefact, data, on_progress); break;
    case Samples::texts: set = text_tests(artefact, data, table); break;
    case Samples::tokens: fail<UsageError>("eval: ", source.artefact, " writes texts; see graft generate");
  }
  EvaluateResult out;
  out.model = artefact.model;
  out.strategy = artefact.strategy;
  out.compute = source.compute;
  out.classes = artefact.labels;
  out.evaluation = evaluate(*artefact.network, *set, on_progress);
  out.trainable_parameters = artefact.trainable_parameters;
  out.frozen_tensors = artefact.frozen_tensors;
  out.frozen_bytes_changed = artefact.frozen_bytes_changed;
  out.seconds = watch.seconds();
  return out;
}

namespace {

std::vector<Prediction> predict_pictures(const Artefact& artefact, const std::vector<std::string>& files,
                                         const OnProgress& on_progress) {
  std::vector<Prediction> out;
  std::string first_error;
  bool any = false;
  for (size_t begin = 0; begin < files.size(); begin += kScoreBatch) {
    std::span<const std::string> chunk(files.data() + begin,
                                       std::min<size_t>(kScoreBatch, files.size() - begin));
    std::vector<std::string> errors;
    PictureSet set = read_files(chunk, artefact.preprocess.channels, errors);
    std::vector<int64_t> good;
    for (size_t i = 0; i < chunk.size(); ++i) {
      if (errors[i].empty()) good.push_back(static_cast<int64_t>(i));
    }
    Tensor probabilities;
    if (!good.empty()) {
      NoGrad no_grad;
      Var images = artefact.network->taken(inputs(set, good, artefact.preprocess));
      probabilities = probabilities_of(artefact.network->forward(images).value());
    }
    size_t row = 0;
    for (size_t i = 0; i < chunk.size(); ++i) {
      if (errors[i].empty()) {
        auto all = probabilities.span<float>();
        out.push_back(prediction_of(
            chunk[i], all.subspan(row++ * artefact.labels.size(), artefact.labels.size()), artefact.labels));
        any = true;
      } else {
        out.emplace_back().file = chunk[i];
        out.back().error = errors[i];
        if (first_error.empty()) first_error = errors[i];
      }
    }
    if (on_progress) {
      on_progress({.phase = "predict",
                   .done = static_cast<int64_t>(out.size()),
                   .total = static_cast<int64_t>(files.size())});
    }
  }
  GRAFT_CHECK_AS(DataError, any, "no picture could be read: ", first_error);
  return out;
}

// A text, or two with a tab between them.
data::TextRow row_of(const std::string& input, bool pairs) {
  data::TextRow row;
  size_t tab = input.find('\t');
  GRAFT_CHECK_AS(DataError, !pairs || tab != std::string::npos, "\"", printable(input, 60),
                 "\": the network was trained on pairs: two texts with a tab between them are expected");
  row.text = pairs ? input.substr(0, tab) : input;
  if (pairs) row.pair = input.substr(tab + 1);
  return row;
}

std::vector<data::TextRow> rows_of(const std::vector<std::string>& inputs, bool pairs) {
  std::vector<data::TextRow> rows;
  for (const std::string& input : inputs) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(input, error)) {
      rows.push_back(row_of(input, pairs));
      continue;
    }
    for (const std::string& line : lines_of(input, "text", size_t{1} << 30))
      rows.push_back(row_of(line, pairs));
  }
  return rows;
}

std::vector<Prediction> predict_texts(const Artefact& artefact, const std::vector<std::string>& inputs,
                                      const OnProgress& on_progress) {
  std::vector<data::TextRow> rows = rows_of(inputs, artefact.text.pairs);
  TextExamples set(rows, artefact.labels, *artefact.tokenizer, artefact.text.max_length);
  Tensor all = probabilities_of(logits_of(*artefact.network, set, on_progress, "predict"));
  std::vector<Prediction> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto row = all.span<float>().subspan(i * artefact.labels.size(), artefact.labels.size());
    out.push_back(prediction_of("", row, artefact.labels));
    out.back().text = text_of(rows[i]);
  }
  return out;
}

}  // namespace

std::vector<Prediction> predict(const Source& source, const std::vector<std::string>& inputs,
                                const OnProgress& on_progress) {
  GRAFT_CHECK_AS(UsageError, !inputs.empty(), "predict: nothing given to look at");
  return predict(open_source(source), inputs, on_progress);
}

std::vector<Prediction> predict(const Artefact& artefact, const std::vector<std::string>& inputs,
                                const OnProgress& on_progress) {
  GRAFT_CHECK_AS(UsageError, !inputs.empty(), "predict: nothing given to look at");
  switch (artefact.samples) {
    case Samples::pictures: return predict_pictures(artefact, picture_files(inputs), on_progress);
    case Samples::texts: return predict_texts(artefact, inputs, on_progress);
    case Samples::tokens: break;
  }
  fail<UsageError>("predict: this network, ", artefact.model, ", writes texts; see graft generate");
}

}  // namespace graft::transfer
