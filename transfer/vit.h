// Hugging Face's vision transformers as they are published: a folder with config.json, weights and
// preprocessor_config.json.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/transform.h"
#include "nn/models/vit.h"
#include "weights/config.h"
#include "weights/load.h"

namespace graft::transfer {

// What a config.json says; keys that it lacks have transformers' values. Throws DataError for what graft does
// not compute, naming the key.
nn::VitConfig vit_config(const weights::Config& config);

// torchvision's published files have the names of an older version of its code; Hugging Face's may lack
// "vit." and hold a pooler, which is waived, by name.
weights::NameMap vit_names(nn::EncoderBlockConfig::Names names);

struct LoadedVit {
  std::unique_ptr<nn::Vit> model;
  data::Preprocess preprocess;
  std::vector<std::string> labels;  // empty where the config names none
  weights::LoadReport report;
};
// A folder, or a file in one. In evaluation mode, on the CPU. Throws DataError for anything that is missing
// or does not fit, with the report.
LoadedVit load_vit(const std::string& path);

}  // namespace graft::transfer
