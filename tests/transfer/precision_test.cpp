// bf16 against f32 on the network of `graft demo`, on drawn flowers.
#include <algorithm>
#include <cmath>

#include "tests/support.h"
#include "transfer/compute.h"
#include "transfer/demo.h"
#include "transfer/pretrain_meadow.h"
#include "transfer/retrain.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

constexpr int kSteps = 8;

// Every layer trains, batch norm by batch statistics; each epoch is one step with all pictures.
RunResult train_meadow(Compute compute, double learning_rate) {
  auto network = meadow_backbone();
  PictureSet train = demo_pictures(1, 2, 0), test = demo_pictures(1, 1, 50);
  RetrainOptions options;
  options.model = kMeadowModel;
  options.strategy = parse_strategy("full");
  options.recipe = demo_recipe(options.strategy);
  options.recipe.epochs = kSteps;
  options.recipe.batch = static_cast<int>(train.size());
  options.recipe.warmup_epochs = 0;
  options.recipe.learning_rate = learning_rate;
  options.recipe.freeze_bn = false;
  options.preprocess = meadow_preprocess();
  options.preprocess.resize = options.preprocess.crop = 32;
  options.seed = 1;
  options.cache = false;
  options.compute = compute;
  return retrain(*network, train, test, options);
}

std::vector<double> losses(const RunResult& run) {
  std::vector<double> out;
  for (const EpochRecord& e : run.epochs) out.push_back(e.train_loss);
  return out;
}

}  // namespace

TEST_CASE("precision: the demo's network learns in bf16 along the curve of f32, which is the CPU's") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    std::vector<double> cpu = losses(train_meadow({}, 0.02));
    std::vector<double> f32 = losses(train_meadow({device, DType::f32}, 0.02));
    std::vector<double> bf16 = losses(train_meadow({device, DType::bf16}, 0.02));
    CHECK(*std::min_element(cpu.begin(), cpu.end()) < 0.7 * cpu.front());
    CHECK(bf16 != f32);
    for (size_t i = 0; i < cpu.size(); ++i) {
      CAPTURE(i);
      CAPTURE(cpu[i]);
      CAPTURE(f32[i]);
      CAPTURE(bf16[i]);
      // f32: a hundred roundings of 2^-24. bf16: four of 2^-8, as the logits are bf16 and their errors, of
      // which each layer adds some, mostly cancel over the batch; f32 statistics and masters keep them from
      // growing.
      CHECK(std::abs(f32[i] - cpu[i]) <= 1e-5 * cpu[0]);
      CHECK(std::abs(bf16[i] - f32[i]) <= 0x1p-6 * f32[0]);
    }
  }
}

TEST_CASE("precision: steps far below the distance of two bf16 numbers still move the weights") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    // At this rate the relative change of a step is about 1e-6; two bf16 numbers are 4e-3 to 8e-3 apart.
    RunResult run = train_meadow({device, DType::bf16}, 1e-5);
    CHECK(run.certificate.unmoved.empty());
    for (const Moved& m : run.moved) {
      if (!m.name.ends_with("conv1.weight")) continue;
      CAPTURE(m.name);
      CHECK(m.relative_distance > 0);
      CHECK(m.relative_distance < 1e-3);
    }
  }
}
