// BERT and RoBERTa as they are published: a folder with config.json and weights, or one of its files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/models/bert.h"
#include "weights/config.h"
#include "weights/load.h"

namespace graft::transfer {

// What a config.json says of these families; keys that it lacks have transformers' values. Throws DataError
// for what graft does not compute, naming the key.
nn::BertConfig bert_config(const weights::Config& config);

// How the published names become those of the network. Files may lack "bert." or "roberta." before the
// encoder's names, call the norms' tensors gamma and beta, hold numbers of positions, which are no weights,
// and the heads of other tasks: these are waived, by name, and recorded.
weights::NameMap bert_names(const nn::BertConfig& config, nn::BertTask task);

struct TextEncoder {
  std::unique_ptr<nn::Bert> model;
  std::vector<std::string> labels;  // of classes; empty where the config names none
  weights::LoadReport report;
};
// For the task that the config's "architectures" names; `features` where that is none of graft's. In
// evaluation mode, on the CPU. Throws DataError for anything that is missing or does not fit, with the
// report.
TextEncoder load_text_encoder(const std::string& path);

}  // namespace graft::transfer
