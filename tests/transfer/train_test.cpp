#include "transfer/train.h"

#include <algorithm>
#include <set>

#include "core/parallel.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/batches.h"
#include "transfer/certificate.h"
#include "transfer/score.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

std::vector<Tensor> values(nn::Module& network) {
  std::vector<Tensor> out;
  for (const nn::NamedTensor& t : nn::named_tensors(network)) out.push_back(t.value().clone());
  return out;
}

// The tensor with this name, for planting a leak.
Tensor tensor_named(nn::Module& network, const std::string& name) {
  for (const nn::NamedTensor& t : nn::named_tensors(network)) {
    if (t.name == name) return t.value();
  }
  FAIL("no tensor " << name);
  return {};
}

}  // namespace

TEST_CASE("batches: every sample once, shuffled by seed and epoch, no batch of one") {
  for (int64_t count : {1, 2, 7, 8, 9, 16, 17, 33}) {
    auto batches = batches_of(count, 8, 1, 1);
    std::vector<int64_t> all;
    for (const auto& batch : batches) {
      all.insert(all.end(), batch.begin(), batch.end());
      CHECK(static_cast<int64_t>(batch.size()) >= std::min<int64_t>(count, 2));
      CHECK(batch.size() <= 9);
    }
    CHECK(static_cast<int64_t>(all.size()) == count);
    CHECK(std::set<int64_t>(all.begin(), all.end()).size() == all.size());
  }
  CHECK(batches_of(40, 8, 1, 1) == batches_of(40, 8, 1, 1));
  CHECK(batches_of(40, 8, 1, 1) != batches_of(40, 8, 1, 2));
  CHECK(batches_of(40, 8, 1, 1) != batches_of(40, 8, 2, 1));
  CHECK(batches_of(3, 1, 1, 1).size() == 3);
}

TEST_CASE("retrain: learns, for every strategy, and says what it did") {
  PictureSet train = drawn_pictures(4, 12, 8, 1), test = drawn_pictures(4, 8, 8, 2);
  for (const char* strategy : {"head", "partial:1", "full", "scratch"}) {
    INFO(strategy);
    auto network = small_network(7);
    RetrainOptions options = quick_options(strategy);
    options.recipe.epochs = 10;
    options.recipe.learning_rate = 0.05;
    options.recipe.body_lr_scale = 1;
    RunResult result = retrain(*network, train, test, options);
    CHECK(network->classes() == 4);
    CHECK(result.test.accuracy >= 0.6);
    CHECK(result.epochs.size() == 10);
    CHECK(result.epochs.back().train_loss < result.epochs.front().train_loss);
    CHECK(result.test.count == 32);
    CHECK(result.strategy == strategy);
    CHECK(result.certificate.broken.empty());
    CHECK((result.frozen_tensors > 0) == (std::string(strategy) != "scratch"));
    CHECK(result.receipt.at("weights_after_sha256") == weights_sha256(*network));
    CHECK(result.receipt.at("weights_after_sha256") != result.receipt.at("weights_before_sha256"));
    for (const Moved& moved : result.moved)
      CHECK_MESSAGE(!(moved.frozen && moved.relative_distance > 0), moved.name);
  }
}

TEST_CASE("retrain: bit-identical weights for any thread count") {
  PictureSet train = drawn_pictures(3, 7, 8, 1),
             test = drawn_pictures(3, 2, 8, 2);  // 21 pictures: a short last batch
  int before = threads();
  for (const char* strategy : {"head", "partial:1", "full", "scratch"}) {
    std::vector<Tensor> first;
    for (int count : {1, 2, 4}) {
      set_threads(count);
      auto network = small_network(3);
      RetrainOptions options = quick_options(strategy);
      options.recipe.batch = 4;
      options.recipe.optimizer =
          std::string(strategy) == "full" ? Optimizer::adamw : options.recipe.optimizer;
      retrain(*network, train, test, options);
      std::vector<Tensor> now = values(*network);
      if (first.empty()) first = now;
      for (size_t i = 0; i < now.size(); ++i)
        CHECK_MESSAGE(bit_equal(now[i], first[i]), strategy << ", tensor " << i);
    }
  }
  set_threads(before);
}

TEST_CASE("retrain: 1,000 steps in training mode with weight decay change no frozen byte") {
  PictureSet train = drawn_pictures(2, 4, 4, 1), test = drawn_pictures(2, 1, 4, 2);
  auto network = small_network(2);
  RetrainOptions options = quick_options("head");
  options.preprocess.crop = 4;
  options.recipe = default_recipe("cifar_resnet20", parse_strategy("full"));
  options.recipe.cached_features = false;
  options.recipe.optimizer = Optimizer::sgd;
  options.recipe.batch = 2;
  options.recipe.epochs = 250;
  options.recipe.weight_decay = 0.1;
  int64_t steps = 0;
  options.hooks.after_step = [&](int64_t step) {
    steps = step;
    CHECK(network->training());
  };
  RunResult result = retrain(*network, train, test, options);
  CHECK(steps == 1000);
  CHECK(result.certificate.frozen_bytes_changed == 0);
  CHECK(result.certificate.frozen.size() == static_cast<size_t>(result.frozen_tensors));
  CHECK(result.certificate.unmoved.empty());
}

TEST_CASE("certificate: three kinds of planted leak end the run and are named") {
  PictureSet train = drawn_pictures(2, 4, 8, 1), test = drawn_pictures(2, 2, 8, 2);
  struct Leak {
    const char* what;
    const char* tensor;
    std::function<void(const Tensor&)> plant;
  };
  std::vector<Leak> leaks = {
      {"weight decay behind the optimizer's back", "layer1.0.conv1.weight",
       [](const Tensor& t) {
         for (float& v : t.span<float>()) v *= 1 - 1e-4f;
       }},
      {"statistics of a frozen batch norm", "layer2.0.bn1.running_mean",
       [](const Tensor& t) {
         for (float& v : t.span<float>()) v += 0.1f * (0.5f - v);
       }},
      {"a moving average that blends frozen tensors as well", "conv1.weight", [](const Tensor& t) {
         for (float& v : t.span<float>()) v = 0.999f * v + 0.001f * (v + 0.01f);
       }}};
  for (bool cached : {true, false}) {
    for (const Leak& leak : leaks) {
      INFO(leak.what);
      auto network = small_network(2);
      RetrainOptions options = quick_options("head");
      options.recipe.cached_features = cached;
      options.recipe.optimizer = Optimizer::sgd;
      options.hooks.after_step = [&](int64_t) { leak.plant(tensor_named(*network, leak.tensor)); };
      check_throws<CertificateError>([&] { retrain(*network, train, test, options); },
                                     {leak.tensor, "moved"});
    }
  }
}

TEST_CASE("training: a loss that is not finite stops the run and names the place") {
  PictureSet train = drawn_pictures(2, 8, 8, 1), test = drawn_pictures(2, 2, 8, 2);
  auto network = small_network(2);
  RetrainOptions options = quick_options("scratch");
  options.recipe.learning_rate = 1e30;
  options.recipe.warmup_epochs = 0;
  check_throws<Error>([&] { retrain(*network, train, test, options); },
                      {"training", "epoch 1, step 2", "learning rate"});

  auto poisoned = small_network(2);
  tensor_named(*poisoned, "layer1.0.conv2.weight").fill(std::numeric_limits<double>::quiet_NaN());
  options = quick_options("full");
  check_throws<Error>([&] { retrain(*poisoned, train, test, options); },
                      {"epoch 1, step 1", "layer1.0.conv2.weight"});
}

TEST_CASE("training: the best epoch on validation pictures is kept on request") {
  PictureSet train = drawn_pictures(3, 10, 8, 1), test = drawn_pictures(3, 4, 8, 2);
  for (const char* strategy : {"head", "full"}) {
    auto network = small_network(3);
    RetrainOptions options = quick_options(strategy);
    options.recipe.keep_best = true;
    RunResult result = retrain(*network, train, test, options);
    CHECK(result.train_count == 27);  // a tenth of each class chooses
    auto kept = [](const std::string& note) {
      return note.find("3 validation pictures") != std::string::npos;
    };
    CHECK(std::any_of(result.notes.begin(), result.notes.end(), kept));
  }
}

TEST_CASE(
    "retrain: the statistics of batch norms stay where the recipe freezes them, and move where it does not") {
  PictureSet train = drawn_pictures(2, 8, 8, 1), test = drawn_pictures(2, 2, 8, 2);
  for (bool freeze : {true, false}) {
    auto network = small_network(2);
    Tensor before = tensor_named(*network, "layer2.0.bn1.running_mean").clone();
    RetrainOptions options = quick_options("full");
    options.recipe.freeze_bn = freeze;
    retrain(*network, train, test, options);
    CHECK(bit_equal(before, tensor_named(*network, "layer2.0.bn1.running_mean")) == freeze);
  }
}

TEST_CASE("retrain: errors") {
  PictureSet train = drawn_pictures(2, 4, 8, 1), other = drawn_pictures(3, 4, 8, 1);
  auto network = small_network(2);
  check_throws<DataError>([&] { retrain(*network, train, other, quick_options("head")); },
                          {"different classes"});
  check_throws<DataError>(
      [&] {
        retrain(*network, drawn_pictures(1, 4, 8, 1), drawn_pictures(1, 4, 8, 1), quick_options("head"));
      },
      {"two or more"});
  check_throws<UsageError>([&] { retrain(*network, train, train, quick_options("partial:9")); },
                           {"partial:9", "stages"});
  RetrainOptions options = quick_options("full");
  options.rules = {{"layer9.*", Freeze::frozen}};
  check_throws<UsageError>([&] { retrain(*network, train, train, options); },
                           {"layer9.*", "matches no tensor"});
}

TEST_CASE("retrain: above a trunk that is kept, the same bits as above one that runs each time") {
  PictureSet train = drawn_pictures(3, 5, 8, 1), test = drawn_pictures(3, 2, 8, 2);
  for (const char* strategy : {"partial:1", "partial:2"}) {
    std::vector<Tensor> first;
    RunResult before;
    for (bool kept : {false, true}) {
      auto network = small_network(3);
      RetrainOptions options = quick_options(strategy);
      options.recipe.batch = 4;
      options.recipe.views = 2;
      options.recipe.epochs = 5;
      options.recipe.keep_best = true;
      options.recipe.cached_features = kept;
      RunResult result = retrain(*network, train, test, options);
      std::vector<Tensor> now = values(*network);
      if (!kept) {
        first = now;
        before = result;
        continue;
      }
      for (size_t i = 0; i < now.size(); ++i) CHECK_MESSAGE(bit_equal(now[i], first[i]), i);
      CHECK(result.step_losses == before.step_losses);
      CHECK(result.test.loss == before.test.loss);
      // Each view comes again after three epochs: there are others in between.
      CHECK(result.epochs[0].train_loss != result.epochs[1].train_loss);
      // The whole network says the same of the test pictures.
      options.preprocess.resize = 0;
      PictureExamples held_out(test, options.preprocess);
      CHECK(evaluate(*network, held_out).loss == result.test.loss);
    }
  }
  auto network = small_network(3);
  RetrainOptions options = quick_options("partial:1");
  options.recipe.views = 1;
  options.rules = {{"conv1.*", Freeze::trainable}};
  check_throws<UsageError>([&] { retrain(*network, train, test, options); }, {"views", "rules"});
  options.recipe.mixup = 0.2;
  check_throws<UsageError>([&] { check(options.recipe, options.strategy); }, {"views", "mixup"});
}
