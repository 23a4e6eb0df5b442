// Classifiers of texts from published language networks: BERT, RoBERTa, GPT-2.
#pragma once

#include <memory>
#include <string>

#include "data/text/tokenizer.h"
#include "nn/models/text_classifier.h"
#include "transfer/carried_files.h"
#include "weights/config.h"
#include "weights/load.h"

namespace graft::transfer {

// "bert", "roberta", "gpt2", "t5": what config.json beside `path` (a folder, or a file in it) says. Throws
// DataError for another one, and where there is none.
std::string text_family(const std::string& path);

// A network for this config.json, with starting values by `seed`. Throws DataError for a family that
// classifies no texts.
std::unique_ptr<nn::TextNetwork> make_text_classifier(const weights::Config& config, int64_t classes,
                                                      uint64_t seed);

struct PublishedText {
  std::unique_ptr<nn::TextNetwork> network;
  std::string family;
  FileContents files;
  weights::LoadReport report;
};
// The network with the folder's weights and as many classes as its head has (two where it has none). What the
// file does not have of the head and of BERT's pooler starts by `seed`; heads of other tasks are passed over;
// all of this stands in the report.
PublishedText load_text_classifier(const std::string& path, uint64_t seed);

}  // namespace graft::transfer
