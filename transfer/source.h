// A classifier ready for use, from wherever it comes.
#pragma once

#include "nn/models/classifier.h"
#include "transfer/artefact.h"
#include "transfer/tune.h"
#include "weights/load.h"

namespace graft::transfer {

// What the published weights of a network expect.
data::Preprocess preprocess_of(std::string_view model);

// How the names in the published files of this network become the engine's.
weights::NameMap published_names(std::string_view model);

struct Published {
  std::unique_ptr<nn::Classifier> network;
  weights::LoadReport report;
  bool has_head = true;  // false: a CLIP as published, whose classifier is random
  data::Preprocess preprocess;
};
// The network with the checkpoint's weights, and with as many classes as its head has, for pictures of
// `channels` (input_channels.h); unset, of those that the file's first convolution takes. Throws UsageError
// for an unknown network, DataError with the report for a file that does not fit.
Published load_published(const std::string& model, const std::string& path,
                         std::optional<int64_t> channels = {});

// An artefact as it is; published weights dressed up as one, with strategy "published". Of a folder with
// Hugging Face's config.json the model's name is not needed: a ViT of any size.
Artefact open_source(const Source& source);

// As predict in tune.h, with a classifier that is open already and computes where it was brought.
std::vector<Prediction> predict(const Artefact& artefact, const std::vector<std::string>& inputs,
                                const OnProgress& on_progress = {});

}  // namespace graft::transfer
