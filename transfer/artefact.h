// model.graft: everything that is needed to use a retrained network, in one file. A safetensors file with the
// tensors under the publisher's names and in the publisher's layout, so that it loads in PyTorch with
// strict=True; its metadata holds labels, preprocessing (of texts config.json and the tokenizer's files),
// architecture, recipe, freeze certificate and run receipt.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"
#include "data/transform.h"
#include "nn/models/headed.h"
#include "transfer/carried_files.h"
#include "transfer/result.h"

namespace graft::transfer {

// How a network of texts gets its inputs.
struct TextInputs {
  FileContents files;      // config.json, and the tokenizer's
  int64_t max_length = 0;  // tokens of a text
  bool pairs = false;      // two texts a sample
};

struct Artefact {
  Samples samples = Samples::pictures;
  std::unique_ptr<nn::Headed> network;  // in evaluation mode
  std::string model;                    // its name in nn/models/registry.h; of texts the family
  std::string strategy;
  std::vector<std::string> labels;  // by class index
  data::Preprocess preprocess;      // of pictures
  TextInputs text;                  // of texts
  std::optional<data::Tokenizer> tokenizer;
  std::map<std::string, std::string> settings, receipt;
  int64_t trainable_parameters = 0;
  int64_t frozen_tensors = 0;
  int64_t frozen_bytes_changed = 0;
  std::string certificate_digest;
};

// Writes the network of a run. Equal runs make equal files, byte for byte: neither time nor thread count
// stand in them. Throws DiskError; an older file at `path` is then untouched.
void save_artefact(const std::string& path, nn::Headed& network, const RunResult& result,
                   const data::Preprocess& preprocess);
void save_artefact(const std::string& path, nn::Headed& network, const RunResult& result,
                   const TextInputs& text);

// Throws DataError, saying what is missing or does not fit, for a file that save_artefact did not write: not
// safetensors, without the metadata, of a network that this build does not know, with another number of
// classes than labels, or whose bytes changed since.
Artefact load_artefact(const std::string& path);

}  // namespace graft::transfer
