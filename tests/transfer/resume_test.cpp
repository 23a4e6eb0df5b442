#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "core/parallel.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/certificate.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;
namespace fs = std::filesystem;

namespace {

struct Stop {};  // what ends a run from outside: no error, as a signal is none

struct Configuration {
  std::string name;
  std::string strategy;
  std::function<void(Recipe&)> change;
};

// 40 steps each: 8 samples in batches of 2, ten epochs, or what comes to the same.
const std::vector<Configuration>& configurations() {
  static const std::vector<Configuration> all = {
      {"sgd with momentum, augmented", "full",
       [](Recipe& r) {
         r.optimizer = Optimizer::sgd;
         r.augment = {.kind = data::Augment::Kind::pad_crop, .pad = 1};
       }},
      {"adamw across an unfreeze", "gradual", [](Recipe& r) { r.optimizer = Optimizer::adamw; }},
      {"batch norm's statistics go on", "scratch",
       [](Recipe& r) {
         r.optimizer = Optimizer::adam;
         r.freeze_bn = false;
       }},
      {"a moving average, and the best epoch kept", "partial:1",
       [](Recipe& r) {
         r.optimizer = Optimizer::lamb;
         r.ema = 0.9;
         r.keep_best = true;
         r.validation = 0.5;
         r.batch = 1;
       }},
      {"two batches a step", "full",
       [](Recipe& r) {
         r.optimizer = Optimizer::adamw;
         r.batch = 1;
         r.accumulate = 2;
         r.l2_sp = 0.01;
       }},
      {"low-rank updates with dropout", "lora:2", [](Recipe& r) {
         r.optimizer = Optimizer::adamw;
         r.lora_dropout = 0.3;
       }}};
  return all;
}

struct Outcome {
  RunResult result;
  std::vector<Tensor> tensors;
};

// What a run leaves, with every number of its log as text.
std::string log_of(const RunResult& result) {
  std::string out;
  for (double loss : result.step_losses) out += str(loss, "\n");
  for (const EpochRecord& e : result.epochs)
    out += str(e.epoch, " ", e.learning_rate, " ", e.train_loss, " ", e.train_accuracy, " ", e.test_loss, " ",
               e.test_accuracy, "\n");
  return out + result.receipt.at("order_sha256") + result.certificate.digest;
}

class Lab {
 public:
  explicit Lab(const Configuration& configuration) : configuration_(configuration) {}

  // A run in `folder` that is stopped before step `stop_at` is over (0: never).
  std::optional<Outcome> run(const std::string& folder, int64_t stop_at, bool resume, int64_t every = 0) {
    auto network = small_network(2);
    RetrainOptions options = quick_options(configuration_.strategy.c_str());
    options.preprocess.crop = 4;
    Recipe& r = options.recipe;
    r.batch = 2;
    r.epochs = 10;
    r.learning_rate = 0.01;
    r.head_first = false;
    r.cached_features = false;
    r.keep_best = false;
    configuration_.change(r);
    Checkpoints checkpoints(folder, every);
    options.hooks.checkpoints = folder.empty() ? nullptr : &checkpoints;
    options.hooks.go_on = resume;
    auto stop = [&](const Progress& progress) {
      if (stop_at > 0 && progress.phase == "train" && progress.done == stop_at) throw Stop();
    };
    try {
      Outcome out{retrain(*network, train_, test_, options, stop), {}};
      for (const nn::NamedTensor& t : nn::named_tensors(*network)) out.tensors.push_back(t.value().clone());
      return out;
    } catch (const Stop&) {
      return std::nullopt;
    }
  }

 private:
  const Configuration& configuration_;
  PictureSet train_ = drawn_pictures(2, 4, 4, 1), test_ = drawn_pictures(2, 1, 4, 2);
};

void check_equal(const Outcome& a, const Outcome& b) {
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) CHECK_MESSAGE(bit_equal(a.tensors[i], b.tensors[i]), i);
  CHECK(log_of(a.result) == log_of(b.result));
  CHECK(a.result.test.accuracy == b.result.test.accuracy);
  CHECK(a.result.test.loss == b.result.test.loss);
}

}  // namespace

TEST_CASE("resume: stopped at every step of 40, in six configurations, and bit-identical") {
  TempDir folder;
  for (const Configuration& configuration : configurations()) {
    INFO(configuration.name);
    Lab lab(configuration);
    Outcome whole = *lab.run("", 0, false);
    auto steps = static_cast<int64_t>(whole.result.step_losses.size());
    CHECK(steps == 40);
    for (int64_t k = 1; k <= steps; ++k) {
      INFO("stopped at step " << k);
      std::string place = folder / str(configuration.name.substr(0, 4), k);
      // Now and then with the checkpoints that a run leaves by itself; mostly with that of the stop alone.
      int64_t every = k % 8 == 0 ? 3 : 1000;
      REQUIRE(!lab.run(place, k, false, every));
      std::optional<Outcome> rest = lab.run(place, 0, true, every);
      REQUIRE(rest);
      CHECK(rest->result.resumed_at == k);
      check_equal(*rest, whole);
    }
  }
}
