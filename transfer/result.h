// What a run leaves behind, as plain data: the training loop fills it, the report, metrics.json and the
// terminal show it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace graft::transfer {

// One pass over the training samples.
struct EpochRecord {
  int epoch = 0;  // from 1
  double learning_rate = 0;
  double train_loss = 0;
  double train_accuracy = 0;  // 0..1, on the (augmented) batches as they were trained on
  double test_loss = 0;
  double test_accuracy = 0;
  double seconds = 0;  // since the run's start
};

// What the network says of one held-out sample.
struct Scored {
  std::string file;   // or the text itself
  int64_t truth = 0;  // class index
  int64_t predicted = 0;
  double probability = 0;        // of the predicted class
  double truth_probability = 0;  // of the true class
};

// What the samples are.
enum class Samples : uint8_t { pictures, texts, tokens };

// How well a network does on a data set. Of a language model the samples are tokens: `count` of them, and
// neither classes nor `scored`.
struct Evaluation {
  double accuracy = 0;  // 0..1
  double loss = 0;      // mean cross-entropy
  int64_t count = 0;
  std::vector<std::vector<int64_t>> confusion;  // [truth][predicted]
  std::vector<Scored> scored;                   // one per sample, in the set's order
  Samples samples = Samples::pictures;
};

// One line of the freeze certificate.
struct CertifiedTensor {
  std::string name;
  int64_t bytes = 0;
  std::string before, after;  // SHA-256
};

// What moved and what did not: every tensor is hashed before the first step and after the last.
struct Certificate {
  std::vector<CertifiedTensor> frozen;  // parameters and statistics that must not move
  std::vector<std::string> broken;      // frozen tensors that moved all the same: the run fails
  std::vector<std::string> unmoved;     // trainable tensors that did not move
  int64_t frozen_bytes = 0;
  int64_t frozen_bytes_changed = 0;
  std::string digest;  // SHA-256 over all lines: names the certificate
};

// How far one tensor went: ||after - before|| / ||before||.
struct Moved {
  std::string name;
  int64_t elements = 0;
  bool frozen = false;
  double relative_distance = 0;
};

// One line of the load ledger: where a tensor came from.
struct LedgerRow {
  std::string source, target, shape, dtype, transform, sha256;
};

// One step of the learning-rate finder (transfer/find_rate.h).
struct RatePoint {
  double rate = 0;
  double loss = 0;      // of the step's batch, before the step
  double smoothed = 0;  // running mean of the losses, 0.98 of it old, corrected for its start (as in Adam)
};
struct FoundRate {
  std::vector<RatePoint> curve;
  double suggestion = 0;  // 0: nobody looked
};

// A stage of the network, or its head, from input to output.
struct StageRecord {
  std::string name;
  int64_t parameters = 0, trainable_parameters = 0;
  int trains_from = 0;  // the epoch; 0: never
};

// Held-out samples in the feature space's first two principal components (transfer/feature_map.h).
struct FeatureMap {
  std::vector<std::array<double, 2>> points;
  std::array<double, 2> shown = {};  // the share of the variance along each axis
};
struct FeatureMaps {
  std::vector<int64_t> labels;  // of the samples
  FeatureMap before, after;     // `after` is empty where the trunk is the same
};

// What a training will take of its device's memory, known before the first step (memory_plan.h). Bytes.
struct MemoryPlan {
  struct Part {
    std::string name;
    int64_t bytes = 0;
  };
  int64_t batch = 0;
  int64_t peak = 0;           // the most at one time, together with what is there already
  int64_t room = 0;           // what there is
  int64_t measured = 0;       // the peak of the run itself
  int64_t largest_batch = 0;  // that fits, up to kMostPlanned
  std::string peak_is_in;     // "training" or "scoring"
  std::vector<Part> parts;    // of the peak in training
  double seconds = 0;         // that planning took

  static constexpr int64_t kMostPlanned = 65536;
  bool known() const { return batch > 0; }
};

// Seconds.
struct Timings {
  double load = 0, features = 0, train = 0, evaluate = 0, total = 0;
};

struct RunResult {
  std::string model;     // "mobilenet_v2"
  std::string strategy;  // "head", "partial:2", "full", "lora:8", ...
  std::string weights;   // the checkpoint's file name; empty from scratch
  std::string data;      // the data folder
  std::vector<std::string> classes;
  int64_t train_count = 0;
  int64_t parameters = 0, trainable_parameters = 0;
  int64_t frozen_tensors = 0;
  FoundRate found_rate;
  std::vector<StageRecord> stages;   // the head is the last
  FeatureMaps feature_maps;          // empty where nobody asked
  std::vector<std::string> adapted;  // the layers beside which lora and adapters trained
  int64_t resumed_at = -1;           // the step that a stopped run went on from; -1: it was not stopped
  std::vector<EpochRecord> epochs;
  std::vector<double> step_losses;  // of each step's batch, before the step; empty with lbfgs
  Evaluation test;
  Certificate certificate;
  std::vector<Moved> moved;
  std::vector<LedgerRow> ledger;
  std::vector<std::string> ledger_notes;        // what was waived, renamed or converted
  std::map<std::string, std::string> receipt;   // seed, threads, hashes of weights, data and order, versions
  std::map<std::string, std::string> settings;  // every setting of the recipe, as text
  std::vector<std::string> notes;               // such as "gradients stop above features.18"
  Timings seconds;
  std::string device = "cpu";     // that computed
  std::string precision = "f32";  // of its activations
  int64_t peak_memory_bytes = 0;  // in tensors on that device
  MemoryPlan memory_plan = {};    // where training steps go through the network, on the CPU
  std::string artefact;           // path of model.graft; empty if none was written
  double artefact_accuracy = -1;  // of the reloaded artefact; equal to test.accuracy, or the run failed
};

// Told about progress while a run goes on: `done` of `total` steps of the named phase.
struct Progress {
  std::string phase;  // "features", "train", "evaluate", ...
  int64_t done = 0, total = 0;
  int epoch = 0, epochs = 0;
  double loss = 0, accuracy = 0;  // running means; NaN where there is none
  double items_per_second = 0;
};
using OnProgress = std::function<void(const Progress&)>;

}  // namespace graft::transfer
