// The whole job in one call, as the program and embedders use it: a folder of pictures and a published
// checkpoint in, a retrained network out.
#pragma once

#include <optional>

#include "transfer/compute.h"
#include "transfer/recipe.h"
#include "transfer/result.h"
#include "transfer/rules.h"

namespace graft::transfer {

struct TuneOptions {
  std::string data;               // a folder of class folders, or one with train/ and test/ (or val/) inside
  std::string model;              // "mobilenet_v2"
  std::string weights;            // the published checkpoint; not needed for "scratch"
  std::string strategy = "head";  // or "partial:N", "full", "scratch"
  std::string out;                // folder for model.graft, made if missing; empty: nothing is written
  uint64_t seed = 0;
  std::optional<Recipe> recipe;  // unset: default_recipe(model, strategy)
  std::vector<Rule> rules;       // applied after the strategy's own
  double test_share = 0.2;       // held out, by seed, where the folder has no test/ or val/
  Compute compute = {};          // the device that trains and scores, and its precision
  bool cache = true;             // features may be kept in env::cache(); false: in memory only
};

// Loads, retrains, certifies, saves to out/model.graft, loads that again and scores it. Throws UsageError,
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
};

// Scores a folder of class folders (or its test/ or val/ where it has one). The class folders must be the
// labels'.
struct EvaluateResult {
  std::string model;
  std::string strategy;  // of the artefact; "published" for published weights
  std::vector<std::string> classes;
  Evaluation evaluation;
  Compute compute;
  int64_t trainable_parameters = 0, frozen_tensors = 0, frozen_bytes_changed = 0;
  double seconds = 0;
};
EvaluateResult evaluate(const Source& source, const std::string& data, const OnProgress& on_progress = {});

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
};
// One per file, in their order. A file's prediction does not depend on the others. With one unreadable file
// among others the rest is still predicted; throws DataError where there is no readable one.
std::vector<Prediction> predict(const Source& source, const std::vector<std::string>& files,
                                const OnProgress& on_progress = {});

}  // namespace graft::transfer
