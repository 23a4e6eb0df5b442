#include "tests/report/example.h"

#include <cmath>

#include "core/rng.h"
#include "core/sha256.h"

namespace graft::test {
namespace {

using namespace transfer;

void add_scores(RunResult& run, double accuracy) {
  const int64_t kPerClass = 100;
  auto classes = static_cast<int64_t>(run.classes.size());
  run.test.confusion.assign(run.classes.size(), std::vector<int64_t>(run.classes.size(), 0));
  int64_t right = 0;
  for (int64_t c = 0; c < classes; ++c) {
    for (int64_t i = 0; i < kPerClass; ++i) {
      uint64_t draw = (static_cast<uint64_t>(c * kPerClass + i) * 2654435761u) >> 7;
      bool wrong = static_cast<double>(draw % 1000) >= 1000 * accuracy;
      int64_t said = wrong ? (c + 1 + static_cast<int64_t>(draw / 1000) % (classes - 1)) % classes : c;
      double p = 0.4 + 0.59 * static_cast<double>(draw % 97) / 97;
      run.test.scored.push_back({str("test/", run.classes[static_cast<size_t>(c)], "/", i, ".jpg"), c, said,
                                 p, wrong ? (1 - p) / 3 : p});
      ++run.test.confusion[static_cast<size_t>(c)][static_cast<size_t>(said)];
      right += !wrong;
    }
  }
  run.test.count = classes * kPerClass;
  run.test.accuracy = static_cast<double>(right) / static_cast<double>(run.test.count);
  run.test.loss = 0.31;
}

void add_tensors(RunResult& run) {
  bool all = run.strategy == "full" || run.strategy == "scratch";
  auto add = [&](const std::string& name, int64_t elements, bool frozen) {
    std::string hash = sha256(name);
    double distance = frozen ? 0 : std::pow(10, -3.2 + 2.4 * static_cast<double>(run.moved.size()) / 60);
    run.moved.push_back({name, elements, frozen, distance});
    if (frozen) {
      run.certificate.frozen.push_back({name, 4 * elements, hash, hash});
      run.certificate.frozen_bytes += 4 * elements;
    }
    run.ledger.push_back({str("module.", name), name, str("[", elements, "]"), "f32", "OIHW to OHWI", hash});
    run.parameters += elements;
    if (!frozen) run.trainable_parameters += elements;
  };
  for (int stage = 0; stage < 19; ++stage) {
    for (const char* part : {"conv.0.weight", "conv.1.weight", "conv.1.bias"}) {
      add(str("features.", stage, ".", part), 1000 * (stage + 1), !all);
    }
  }
  add("classifier.1.weight", 6400, false);
  add("classifier.1.bias", 5, false);
  run.frozen_tensors = static_cast<int64_t>(run.certificate.frozen.size());
  run.certificate.digest = sha256(run.strategy);
}

}  // namespace

transfer::RunResult example_run(const std::string& strategy, double accuracy) {
  RunResult run;
  run.model = "mobilenet_v2";
  run.strategy = strategy;
  run.weights = "mobilenet_v2.pth";
  run.data = "photos/flowers";
  run.classes = {"daisy", "dandelion", "<script>alert(1)</script>", "roses & \"thorns\"", "tulips"};
  run.train_count = 500;
  add_scores(run, accuracy);
  add_tensors(run);
  for (int e = 1; e <= 25; ++e) {
    double t = 1 - std::exp(-e / 5.0);
    run.epochs.push_back({e, 0.02 * (1 - e / 25.0), 1.6 - 1.35 * t + 0.02 * std::sin(3.0 * e), 0.2 + 0.73 * t,
                          1.5 - 1.19 * t, 0.2 + (run.test.accuracy - 0.2) * t / (1 - std::exp(-5.0)),
                          0.4 * e});
  }
  run.ledger_notes = {"the prefix module. was dropped from 62 names"};
  run.receipt = {{"seed", "0"}, {"threads", "4"}, {"weights_sha256", sha256("weights")}, {"graft", "0.1.0"}};
  run.settings = {{"epochs", "25"},
                  {"batch", "32"},
                  {"optimizer", "lbfgs"},
                  {"learning_rate", "0.02"},
                  {"weight_decay", "0.0001"}};
  run.notes = {"gradients stop above features.18", "features of 500 pictures were computed once"};
  run.seconds = {0.21, 8.4, 1.7, 2.2, 12.6};
  run.peak_memory_bytes = 412 << 20;
  run.artefact = "graft-out/model.graft";
  run.artefact_accuracy = run.test.accuracy;
  return run;
}

}  // namespace graft::test
