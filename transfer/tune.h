// The whole job in one call, as the program and embedders use it: a folder of pictures or a table of texts
// and a published checkpoint in, a retrained network out.
#pragma once

#include <optional>
#include <utility>

#include "data/text_table.h"
#include "transfer/compute.h"
#include "transfer/recipe.h"
#include "transfer/result.h"
#include "transfer/rules.h"
#include "transfer/team.h"

namespace graft::transfer {

struct TuneOptions {
  // A folder of class folders, or one with train/ and test/ (or val/) inside; of texts a table or a folder of
  // tables (data/text_dataset.h).
  std::string data;
  std::string model;    // "mobilenet_v2"; empty of texts, where the weights' config.json says it
  std::string weights;  // the published checkpoint; of pictures not needed for "scratch"
  // Or "partial:N", "full", "gradual", "scratch", "bitfit", "lora:RANK", "adapters:WIDTH"
  std::string strategy = "head";
  std::string out;  // folder for model.graft, made if missing; empty: nothing is written
  uint64_t seed = 0;
  std::optional<Recipe> recipe;  // unset: the default for the network and the strategy, with `settings`
  std::vector<std::pair<std::string, std::string>> settings;  // name, value
  std::vector<Rule> rules;                                    // applied after the strategy's own
  // Of pictures: 1 (they are read as grey), 3, or 4 (colours and alpha), whatever the published network was
  // trained on (input_channels.h); unset: what the weights take, mostly 3.
  std::optional<int64_t> channels = {};
  double test_share = 0.2;        // held out, by seed, where the folder has no test/ or val/
  Compute compute = {};           // the device that trains and scores, and its precision
  data::TableOptions table = {};  // of texts: the columns
  // Of texts: "classes", or "language": GPT-2 goes on with a running text, T5 turns sources into targets.
  // Empty: language of T5 and of GPT-2 with a .txt file, else classes.
  std::string task = "";
  int64_t max_length = 0;  // of texts: tokens that are read; 0: as many as the network has positions
  bool cache = true;       // features may be kept in env::cache(); false: in memory only
  bool find_rate = false;  // the learning-rate finder's suggestion in place of the recipe's rate
  // Of lora and adapters: the layers (transfer/adapters.h); empty: the usual ones.
  std::vector<std::string> targets = {};
  // A training on samples keeps its state in out/checkpoints, every so many steps (0: after each epoch) and
  // when it is stopped; they go when the run is done. With resume it goes on from the newest.
  int64_t checkpoint_every = 0;
  bool resume = false;
  // Where such a state cannot be written (a full disk), the run does not end: it tells on_warning, and the
  // result's notes, and tries again with the next. The result itself must be written.
  bool keep_going = false;
  std::function<void(const std::string& what)> on_warning = {};
  // The processes that do this job together, each called with the same options; null: this one alone. The
  // leader alone writes files.
  Team* team = nullptr;
  int64_t memory_limit = 0;  // as in retrain.h, and the same of on_plan
  std::function<void(const MemoryPlan& plan)> on_plan = {};
};

// Is this a job on texts? It has no network's name, and its weights lie beside a config.json.
bool is_text_job(const TuneOptions& options);

// Loads, retrains, certifies, saves to out/model.graft, loads that again and scores it. With lora the updates
// alone are saved to out/adapter too, in PEFT's files (transfer/peft.h). Throws UsageError,
// DataError, DiskError, DeviceError,
// CertificateError; whatever stood in `out` before is then still there.
RunResult tune(const TuneOptions& options, const OnProgress& on_progress = {});

// Where a classifier comes from: a file that tune wrote, or a network's name with its published weights.
struct Source {
  std::string artefact;  // model.graft; empty: the three below
  std::string model;     // "mobilenet_v2"
  std::string weights;
  std::vector<std::string> labels;  // one per class; empty: the network's own (ImageNet's or CIFAR-10's)
  Compute compute = {};             // where it classifies
  // Of published weights: of the pictures, as in TuneOptions. A model.graft knows its own.
  std::optional<int64_t> channels = {};
};

// Scores a folder of class folders (or its test/ or val/ where it has one), of which the class folders must
// be the labels'; a network of texts a table, or the held-out one of a folder.
struct EvaluateResult {
  std::string model;
  std::string strategy;  // of the artefact; "published" for published weights
  std::vector<std::string> classes;
  Evaluation evaluation;
  Compute compute;
  int64_t trainable_parameters = 0, frozen_tensors = 0, frozen_bytes_changed = 0;
  double seconds = 0;
};
EvaluateResult evaluate(const Source& source, const std::string& data, const OnProgress& on_progress = {},
                        const data::TableOptions& table = {});

struct Guess {
  std::string label;
  int64_t index = 0;
  double probability = 0;
};
struct Prediction {
  std::string file;
  std::string label;
  double probability = 0;
  std::vector<Guess> top;  // the five most probable, or all where there are fewer
  std::string error;       // why this file could not be read; the other fields are empty then
  std::string text = {};   // of a network of texts, in place of the file
};
// Of pictures one per file, in their order, of folders all that are in them; a file's prediction does not
// depend on the others, and with one unreadable file among others the rest is still predicted. Throws
// DataError where there is no readable one. Of texts each input is a text itself, or a file with one a line;
// the two texts of a pair stand with a tab between them.
std::vector<Prediction> predict(const Source& source, const std::vector<std::string>& inputs,
                                const OnProgress& on_progress = {});

}  // namespace graft::transfer
