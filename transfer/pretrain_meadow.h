// How the backbone that ships with graft is made: by graft, on pictures that graft draws.
//   graft meadow pretrain --out weights/meadow.safetensors
#pragma once

#include <string>

#include "nn/models/classifier.h"
#include "transfer/train.h"

namespace graft::transfer {

// The network of the embedded demo, and its preprocessing.
inline constexpr const char* kMeadowModel = "meadow_resnet";
data::Preprocess meadow_preprocess();

struct PretrainOptions {
  uint64_t seed = 1;  // of the starting values, the order and the pictures
  int epochs = 20;
  int64_t pictures_per_class = 250;  // in an epoch; no picture is ever seen twice
  int64_t held_out_per_class = 20;
  std::string out;      // a .safetensors file; empty: nothing is written
  std::string command;  // that made the file: kept in its metadata
};

struct PretrainResult {
  std::vector<EpochRecord> epochs;
  double accuracy = 0;   // on held-out pictures of the pretraining classes
  int64_t pictures = 0;  // seen in training
  double seconds = 0;
};

// The settings that the shipped checkpoint was made with.
Recipe pretrain_recipe(const PretrainOptions& options);
PretrainResult pretrain_meadow(const PretrainOptions& options, const OnProgress& on_progress = {});

}  // namespace graft::transfer
