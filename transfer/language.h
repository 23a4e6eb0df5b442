// Language models as they are published: a folder with config.json and weights, or a bare file of weights.
#pragma once

#include <memory>
#include <string>

#include "nn/models/language_task.h"
#include "transfer/carried_files.h"
#include "weights/config.h"
#include "weights/load.h"

namespace graft::transfer {

// What a config.json says of these families; keys that it lacks have transformers' values. Throws DataError
// for what graft does not compute, naming the key.
nn::Gpt2Config gpt2_config(const weights::Config& config);
nn::T5Config t5_config(const weights::Config& config);

// What the sizes of a file's tensors say where there is no config.json. The number of GPT-2's heads is in
// none of them: it is taken from `heads`, or, where that is 0, from the file's own metadata ("n_head").
// Throws DataError for a file that is of no such network, UsageError where the heads are not known.
nn::Gpt2Config gpt2_config(const weights::Checkpoint& checkpoint, int64_t heads = 0);
nn::T5Config t5_config(const weights::Checkpoint& checkpoint);

// How the published names become those of the networks. GPT-2's files may lack "transformer.", and hold
// causal masks ("attn.bias", "attn.masked_bias") that are no weights; T5 1.0's hold a table of biases in the
// decoder's second layer that nothing reads. These are waived, by name, and recorded.
weights::NameMap gpt2_names();
weights::NameMap t5_names();

// The task that trains such a network, for the config.json of GPT-2 or T5, with starting values by `seed`;
// without one zeros, to be loaded.
std::unique_ptr<nn::LanguageTask> make_language_task(const weights::Config& config,
                                                     std::optional<uint64_t> seed = {});
struct PublishedLanguage {
  std::unique_ptr<nn::LanguageTask> network;
  std::string family;
  weights::LoadReport report;
};
// From a folder with config.json.
PublishedLanguage load_language_task(const std::string& path);

struct Language {
  std::string family;  // "gpt2", "t5"
  std::unique_ptr<nn::LanguageModel> model;
  weights::LoadReport report;
};
// From a folder, a file beside a config.json, a file alone, or a model.graft that tune wrote. In evaluation
// mode, on the CPU. Throws DataError for anything that is missing or does not fit, with the report;
// UsageError where `heads` is needed.
Language load_language(const std::string& path, int64_t heads = 0);

}  // namespace graft::transfer
