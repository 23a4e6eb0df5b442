// Retraining on an accelerator: the CPU's run, computed elsewhere.
#include "transfer/compute.h"

#include <cmath>

#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/certificate.h"
#include "transfer/score.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

RunResult run_on(Compute compute, RetrainOptions options, const PictureSet& train, const PictureSet& test,
                 nn::Classifier& network) {
  options.compute = compute;
  return retrain(network, train, test, options);
}

void check_curve(const RunResult& got, const RunResult& expected, double bar) {
  REQUIRE(got.epochs.size() == expected.epochs.size());
  for (size_t i = 0; i < got.epochs.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(got.epochs[i].train_loss - expected.epochs[i].train_loss) <= bar);
    CHECK(std::abs(got.epochs[i].test_loss - expected.epochs[i].test_loss) <= bar);
  }
}

}  // namespace

TEST_CASE("compute: devices and precisions by name") {
  CHECK(parse_device("cpu") == kCpu);
  CHECK(parse_device("cuda") == Device{Device::Type::cuda, 0});
  CHECK(parse_device("cuda:3") == Device{Device::Type::cuda, 3});
  for (const char* wrong : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda0"}) {
    check_throws<UsageError>([&] { parse_device(wrong); }, {"unknown device", wrong, "cuda:N"});
  }
  CHECK(parse_precision("bf16") == DType::bf16);
  check_throws<UsageError>([] { parse_precision("fp8"); }, {"fp8", "f32 and bf16"});
  check_throws<UsageError>([] { check(Compute{kCpu, DType::bf16}); }, {"bf16", "CPU", "use f32"});
  check_throws<DeviceError>([] { check(Compute{{Device::Type::cuda, 99}, DType::f32}); }, {"cuda:99"});
  auto network = small_network();
  check_throws<UsageError>([&] { network->compute_on(kCpu, DType::bf16); }, {"CPU", "bf16"});
  check_throws<UsageError>([&] { network->compute_on(kCpu, DType::f64); }, {"f64", "f32"});
}

TEST_CASE("compute: every strategy on an accelerator follows the CPU's curve, and the network comes back") {
  PictureSet train = drawn_pictures(3, 6, 8, 1), test = drawn_pictures(3, 3, 8, 2);
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (const char* strategy : {"head", "partial:1", "full", "scratch"}) {
      INFO(strategy);
      RetrainOptions options = quick_options(strategy);
      auto here = small_network(7), there = small_network(7);
      RunResult expected = run_on({}, options, train, test, *here);
      RunResult got = run_on({device, DType::f32}, options, train, test, *there);
      // Differences of one rounding grow by the steps taken: 9 of them, and those of the head's solution.
      check_curve(got, expected, 2e-3);
      CHECK(got.device == to_text(device));
      CHECK(got.certificate.broken.empty());
      CHECK(got.frozen_tensors == expected.frozen_tensors);
      CHECK(got.peak_memory_bytes > 0);
      CHECK(got.receipt.at("weights_before_sha256") == expected.receipt.at("weights_before_sha256"));
      CHECK(got.receipt.at("weights_after_sha256") == weights_sha256(*there));
      CHECK(there->device() == kCpu);
      for (const nn::NamedTensor& t : nn::named_tensors(*there)) CHECK(t.value().device() == kCpu);
    }
  }
}

TEST_CASE("compute: a head by steps on cached features is trained on the accelerator") {
  PictureSet train = drawn_pictures(3, 6, 8, 1), test = drawn_pictures(3, 3, 8, 2);
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    RetrainOptions options = quick_options("head");
    options.recipe.optimizer = Optimizer::sgd;
    auto here = small_network(7), there = small_network(7);
    RunResult expected = run_on({}, options, train, test, *here);
    RunResult got = run_on({device, DType::f32}, options, train, test, *there);
    check_curve(got, expected, 1e-4);
  }
}

TEST_CASE("compute: recorded steps give the bits of steps that are launched one by one") {
  PictureSet train = drawn_pictures(3, 7, 8, 1), test = drawn_pictures(3, 3, 8, 2);
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (const char* optimizer : {"sgd", "adam", "adamw", "lamb"}) {
      CAPTURE(optimizer);
      RetrainOptions options = quick_options("scratch");
      options.recipe.epochs = 3;
      options.recipe.warmup_epochs = 0;
      options.recipe.batch = 5;  // 21 pictures: 5 + 5 + 5 + 6, as the last one joins the fourth batch
      options.recipe.clip_norm = 0.5;
      set(options.recipe, "optimizer", optimizer);
      auto played = small_network(3), launched = small_network(3);
      auto forwards_of = [&](nn::Classifier& network, RunResult& result) {
        int forwards = 0;
        nn::Observing observing(network, [&](const std::string& name, const Tensor&) {
          forwards += name == "linear" && network.training();
        });
        result = run_on({device, DType::f32}, options, train, test, network);
        return forwards;
      };
      RunResult a, b;
      CHECK(forwards_of(*played, a) == 2 + 2);  // each size once computed, once recorded
      setenv("GRAFT_SYNC", "1", 1);
      CHECK(forwards_of(*launched, b) == 3 * 4);
      unsetenv("GRAFT_SYNC");
      CHECK(a.receipt.at("weights_after_sha256") == b.receipt.at("weights_after_sha256"));
      CHECK(a.receipt.at("weights_after_sha256") != a.receipt.at("weights_before_sha256"));
      check_curve(a, b, 0);
    }
  }
}

TEST_CASE("compute: the same bits on every run, and a frozen tensor that moves on the device is found") {
  PictureSet train = drawn_pictures(2, 5, 8, 1), test = drawn_pictures(2, 2, 8, 2);
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (DType precision : {DType::f32, DType::bf16}) {
      RetrainOptions options = quick_options("partial:1");
      auto first = small_network(7), second = small_network(7);
      RunResult a = run_on({device, precision}, options, train, test, *first);
      RunResult b = run_on({device, precision}, options, train, test, *second);
      CHECK(a.receipt.at("weights_after_sha256") == b.receipt.at("weights_after_sha256"));

      auto leaky = small_network(7);
      options.hooks.after_step = [&](int64_t step) {
        if (step == 1) leaky->conv1.weight.var.value().fill(0.5);
      };
      check_throws<CertificateError>(
          [&] {
            run_on({device, precision}, options, train, test, *leaky);
          },
          {"1 frozen tensors moved", "conv1.weight"});
    }
  }
}

TEST_CASE("compute: bf16 keeps f32 weights, and frozen ones to the bit") {
  PictureSet train = drawn_pictures(3, 6, 8, 1), test = drawn_pictures(3, 3, 8, 2);
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    RetrainOptions options = quick_options("partial:1");
    auto here = small_network(7), there = small_network(7);
    RunResult expected = run_on({}, options, train, test, *here);
    RunResult got = run_on({device, DType::bf16}, options, train, test, *there);
    CHECK(got.precision == "bf16");
    CHECK(got.certificate.frozen_bytes_changed == 0);
    CHECK(got.certificate.frozen.size() == expected.certificate.frozen.size());
    for (size_t i = 0; i < got.certificate.frozen.size(); ++i) {
      CHECK(got.certificate.frozen[i].after == expected.certificate.frozen[i].after);
    }
    int64_t finer = 0;  // weights that bf16 could not hold
    for (const nn::NamedTensor& t : nn::named_tensors(*there)) {
      if (!is_float(t.value().dtype())) continue;
      CHECK(t.value().dtype() == DType::f32);
      finer += !bit_equal(t.value().to(DType::bf16).to(DType::f32), t.value());
    }
    CHECK(finer > 0);
  }
}
