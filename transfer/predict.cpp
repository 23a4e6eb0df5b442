#include <algorithm>
#include <numeric>

#include "core/parallel.h"
#include "transfer/score.h"
#include "transfer/source.h"
#include "transfer/stopwatch.h"
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
PictureSet read_files(std::span<const std::string> files, std::vector<std::string>& errors) {
  PictureSet out;
  out.files.assign(files.begin(), files.end());
  out.labels.assign(files.size(), 0);
  out.pixels.resize(files.size());
  errors.assign(files.size(), "");
  parallel_for(static_cast<int64_t>(files.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      try {
        out.pixels[i] = std::make_shared<const data::Image>(data::read_image(files[i]));
      } catch (const DataError& e) {
        errors[i] = e.what();
      }
    }
  });
  return out;
}

}  // namespace

EvaluateResult evaluate(const Source& source, const std::string& data, const OnProgress& on_progress) {
  Stopwatch watch;
  data::Dataset dataset = data::scan_folder(data, {.test_share = 0, .seed = 0});
  Artefact artefact = open_source(source);
  std::vector<int64_t> indices = label_indices(dataset.classes, artefact.labels, data);
  const auto& samples = dataset.test.empty() ? dataset.train : dataset.test;
  PictureSet set = load_pictures(dataset, samples, artefact.preprocess, on_progress);
  for (int64_t& label : set.labels) label = indices[static_cast<size_t>(label)];
  set.classes = artefact.labels;

  EvaluateResult out;
  out.model = artefact.model;
  out.strategy = artefact.strategy;
  out.compute = source.compute;
  out.classes = artefact.labels;
  out.evaluation = evaluation_of(logits_of(*artefact.network, set, artefact.preprocess, on_progress), set);
  out.trainable_parameters = artefact.trainable_parameters;
  out.frozen_tensors = artefact.frozen_tensors;
  out.frozen_bytes_changed = artefact.frozen_bytes_changed;
  out.seconds = watch.seconds();
  return out;
}

std::vector<Prediction> predict(const Source& source, const std::vector<std::string>& files,
                                const OnProgress& on_progress) {
  GRAFT_CHECK_AS(UsageError, !files.empty(), "predict: no pictures given");
  Artefact artefact = open_source(source);
  std::vector<Prediction> out;
  std::string first_error;
  bool any = false;
  for (size_t begin = 0; begin < files.size(); begin += kScoreBatch) {
    std::span<const std::string> chunk(files.data() + begin,
                                       std::min<size_t>(kScoreBatch, files.size() - begin));
    std::vector<std::string> errors;
    PictureSet set = read_files(chunk, errors);
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

}  // namespace graft::transfer
