#include "transfer/source.h"

#include "nn/models/registry.h"

namespace graft::transfer {
namespace {

// Classes of the file's head, or the publisher's where it has no such tensor: load() then says what is
// missing.
int64_t classes_in(const weights::Checkpoint& file, const nn::ModelInfo& info, const std::string& head) {
  for (const weights::Entry& entry : file.entries()) {
    bool named = entry.name == head + ".weight" || entry.name.ends_with("." + head + ".weight");
    if (named && !entry.sizes.empty() && entry.sizes[0] >= 1) return entry.sizes[0];
  }
  return info.labels == nn::Labels::cifar10 ? 10 : 1000;
}

}  // namespace

data::Preprocess preprocess_of(std::string_view model) {
  const nn::InputSpec& input = nn::model_info(model).input;
  data::Preprocess out;
  // Where the publisher takes pictures as they are, larger ones are brought to that size.
  out.resize = input.resize > 0 ? input.resize : input.size;
  out.crop = input.size;
  if (input.bicubic) out.interpolation = data::Interpolation::bicubic;
  for (size_t c = 0; c < 3; ++c) {
    out.mean[c] = static_cast<float>(input.mean[c]);
    out.std[c] = static_cast<float>(input.standard_deviation[c]);
  }
  return out;
}

Published load_published(const std::string& model, const std::string& path) {
  const nn::ModelInfo& info = nn::model_info(model);
  auto file = weights::Checkpoint::open(path);
  nn::NoInit filled_by_the_file;
  std::string head = nn::make_classifier(model, 1)->head_name();
  Published out;
  out.network = nn::make_classifier(model, classes_in(file, info, head));
  out.report = weights::load(*out.network, file);
  out.report.require_complete();
  return out;
}

namespace {

Artefact open_on_cpu(const Source& source) {
  if (!source.artefact.empty()) {
    GRAFT_CHECK_AS(UsageError, source.model.empty() && source.weights.empty(), "give either a model.graft (",
                   source.artefact, ") or a network's name with its weights, not both");
    Artefact out = load_artefact(source.artefact);
    GRAFT_CHECK_AS(DataError, source.labels.empty() || source.labels.size() == out.labels.size(),
                   source.labels.size(), " labels given, ", source.artefact, " has ", out.labels.size(),
                   " classes");
    if (!source.labels.empty()) out.labels = source.labels;
    return out;
  }
  GRAFT_CHECK_AS(UsageError, !source.model.empty() && !source.weights.empty(),
                 "give a model.graft, or a network's name and the file of its weights");
  Published published = load_published(source.model, source.weights);
  Artefact out;
  out.model = source.model;
  out.strategy = "published";
  out.preprocess = preprocess_of(source.model);
  out.labels = source.labels.empty() ? nn::label_names(nn::model_info(source.model).labels) : source.labels;
  GRAFT_CHECK_AS(DataError, static_cast<int64_t>(out.labels.size()) == published.network->classes(),
                 out.labels.size(), " labels, but ", source.weights, " tells ", published.network->classes(),
                 " classes apart");
  out.network = std::move(published.network);
  out.network->eval();
  return out;
}

}  // namespace

Artefact open_source(const Source& source) {
  check(source.compute);
  Artefact out = open_on_cpu(source);
  place(*out.network, source.compute);
  return out;
}

}  // namespace graft::transfer
