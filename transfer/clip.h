// CLIP as it is published: a folder with config.json, weights, tokenizer and preprocessor_config.json as on
// Hugging Face, or a file with the names of OpenAI's own code.
#pragma once

#include <memory>
#include <string>

#include "data/transform.h"
#include "nn/models/clip.h"
#include "weights/config.h"
#include "weights/load.h"

namespace graft::transfer {

// What a config.json says; keys that it lacks, whole sections too, have transformers' values. Throws
// DataError for what graft does not compute, naming the key.
nn::ClipConfig clip_config(const weights::Config& config);

// The sizes of a network from its tensors, for OpenAI's files, which have no config.json: heads are 64 wide.
// Throws DataError where a tensor is missing, or where the picture network is none of patches.
nn::ClipConfig clip_config_of(const weights::Checkpoint& openai);
// Whether the file has the names of OpenAI's code (OpenCLIP's too).
bool has_openai_names(const weights::Checkpoint& checkpoint);
// The file under transformers' names: queries, keys and values apart, the projections turned.
weights::Checkpoint with_published_names(const weights::Checkpoint& openai);

// What a CLIP's file holds beside the weights: numbers of positions. Waived, by name, and recorded.
weights::NameMap clip_names();

struct LoadedClip {
  std::unique_ptr<nn::Clip> model;
  data::Preprocess preprocess;
  std::string folder;  // where config.json and the tokenizer are
  weights::LoadReport report;
};
// A folder, or a file in one. In evaluation mode, on the CPU. Throws DataError for anything that is missing
// or does not fit, with the report.
LoadedClip load_clip(const std::string& path);

// The picture's network of a CLIP, whole or alone, into `network`, which keeps its head. Throws DataError
// with the report.
weights::LoadReport load_clip_classifier(nn::ClipClassifier& network, const weights::Checkpoint& checkpoint);

}  // namespace graft::transfer
