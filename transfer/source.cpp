#include "transfer/source.h"

#include <algorithm>

#include "nn/models/registry.h"
#include "transfer/clip.h"
#include "transfer/family.h"
#include "transfer/input_channels.h"
#include "transfer/preprocessor.h"
#include "transfer/vit.h"

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

weights::NameMap published_names(std::string_view model) {
  using Names = nn::EncoderBlockConfig::Names;
  if (model.starts_with("vit_")) return vit_names(Names::torchvision);
  if (model.starts_with("hf_vit_")) return vit_names(Names::huggingface);
  return {};
}

data::Preprocess preprocess_of(std::string_view model) {
  return preprocess_of(nn::model_info(model).input);
}

Published load_published(const std::string& model, const std::string& path, std::optional<int64_t> channels) {
  const nn::ModelInfo& info = nn::model_info(model);
  if (channels) check_channels(*channels);
  auto file = weights::Checkpoint::open(path);
  nn::NoInit filled_by_the_file;
  std::string head = nn::make_classifier(model, 1)->head_name();
  Published out;
  out.network = nn::make_classifier(model, classes_in(file, info, head));
  const data::Preprocess rgb = preprocess_of(model);
  std::optional<data::Preprocess> own = take_planes(*out.network, file, rgb, channels);
  if (auto* clip = dynamic_cast<nn::ClipClassifier*>(out.network.get())) {
    out.report = load_clip_classifier(*clip, file);
    out.has_head = std::none_of(out.report.waived.begin(), out.report.waived.end(),
                                [](const weights::Waived& w) { return w.name == "classifier.weight"; });
  } else {
    out.report = weights::load(*out.network, file, published_names(model));
    out.report.require_complete();
  }
  out.preprocess = own ? *own : fit_channels(*out.network, rgb, channels.value_or(3), &out.report);
  return out;
}

namespace {

Artefact open_vit(const Source& source) {
  LoadedVit loaded = load_vit(source.weights);
  Artefact out;
  out.model = "vit";
  out.strategy = "published";
  out.preprocess = fit_channels(*loaded.model, loaded.preprocess, source.channels.value_or(3));
  out.labels = source.labels.empty() ? loaded.labels : source.labels;
  int64_t classes = loaded.model->classes();
  if (out.labels.empty() && classes == 1000) out.labels = nn::label_names(nn::Labels::imagenet);
  GRAFT_CHECK_AS(DataError, static_cast<int64_t>(out.labels.size()) == classes, out.labels.size(),
                 " labels, but ", printable(source.weights), " tells ", classes, " classes apart");
  out.network = std::move(loaded.model);
  return out;
}

Artefact open_on_cpu(const Source& source) {
  if (!source.artefact.empty()) {
    GRAFT_CHECK_AS(UsageError, source.model.empty() && source.weights.empty(), "give either a model.graft (",
                   source.artefact, ") or a network's name with its weights, not both");
    Artefact out = load_artefact(source.artefact);
    GRAFT_CHECK_AS(DataError, source.labels.empty() || source.labels.size() == out.labels.size(),
                   source.labels.size(), " labels given, ", source.artefact, " has ", out.labels.size(),
                   " classes");
    if (!source.labels.empty()) out.labels = source.labels;
    GRAFT_CHECK_AS(UsageError, !source.channels || *source.channels == out.preprocess.channels,
                   printable(source.artefact), ": made for pictures of ", out.preprocess.channels,
                   " channels, as it says itself; leave the channels out");
    return out;
  }
  if (source.model.empty() && family_of(source.weights) == "vit") return open_vit(source);
  GRAFT_CHECK_AS(UsageError, !source.model.empty() && !source.weights.empty(),
                 "give a model.graft, or a network's name and the file of its weights");
  Published published = load_published(source.model, source.weights, source.channels);
  GRAFT_CHECK_AS(UsageError, published.has_head, printable(source.weights),
                 ": a CLIP without classes of its own; name them with graft zeroshot --labels, or retrain it "
                 "with graft tune");
  Artefact out;
  out.model = source.model;
  out.strategy = "published";
  out.preprocess = published.preprocess;
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
  if (source.channels) check_channels(*source.channels);
  Artefact out = open_on_cpu(source);
  place(*out.network, source.compute);
  return out;
}

}  // namespace graft::transfer
