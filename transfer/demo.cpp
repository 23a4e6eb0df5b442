#include "transfer/demo.h"

#include "core/parallel.h"
#include "data/meadow/meadow.h"
#include "nn/models/registry.h"
#include "transfer/pretrain_meadow.h"
#include "transfer/retrain.h"
#include "transfer/stopwatch.h"
#include "weights/embedded.h"
#include "weights/load.h"

namespace graft::transfer {
namespace {
using data::meadow::Flora;
}  // namespace

Recipe demo_recipe(const Strategy& strategy) {
  using Kind = Strategy::Kind;
  Recipe recipe;
  recipe.augment = {.kind = data::Augment::Kind::pad_crop, .pad = 6};
  switch (strategy.kind) {
    case Kind::head:
      recipe.optimizer = Optimizer::lbfgs;
      recipe.epochs = 25;
      recipe.weight_decay = 0.1;
      recipe.warmup_epochs = 0;
      break;
    case Kind::partial:
    case Kind::full:
    case Kind::gradual:
    case Kind::bitfit:
    case Kind::lora:
    case Kind::adapters: recipe.epochs = 20; break;
    case Kind::scratch:
      recipe.epochs = 50;
      recipe.learning_rate = 0.05;
      recipe.body_lr_scale = 1;
      recipe.freeze_bn = false;
      break;
  }
  return recipe;
}

PictureSet demo_pictures(uint64_t seed, int64_t per_class, int64_t first) {
  PictureSet set;
  set.classes = data::meadow::species_names(Flora::demo);
  int64_t count = per_class * static_cast<int64_t>(set.classes.size());
  set.pixels.resize(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    set.labels.push_back(i / per_class);
    set.files.push_back(
        str(set.classes[static_cast<size_t>(i / per_class)], "/", first + i % per_class, ".png"));
  }
  parallel_for(count, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      auto number = static_cast<uint64_t>(first + i % per_class);
      set.pixels[static_cast<size_t>(i)] =
          std::make_shared<data::Image>(data::meadow::draw(Flora::demo, i / per_class, seed, number));
    }
  });
  return set;
}

std::unique_ptr<nn::Classifier> meadow_backbone() {
  auto classes = static_cast<int64_t>(data::meadow::species_names(Flora::pretraining).size());
  auto network = nn::make_classifier(kMeadowModel, classes);
  weights::load(*network, weights::embedded_backbone()).require_complete();
  return network;
}

DemoResult run_demo(const DemoOptions& options, const OnProgress& on_progress) {
  Stopwatch watch;
  DemoResult result;
  PictureSet train = demo_pictures(options.seed, options.per_class, 0);
  result.test = demo_pictures(options.seed, options.per_class, options.per_class);
  auto classes = static_cast<int64_t>(train.classes.size());
  for (const std::string& name : options.strategies) {
    Strategy strategy = parse_strategy(name);
    bool scratch = strategy.kind == Strategy::Kind::scratch;
    auto network = scratch ? nn::make_classifier(kMeadowModel, classes, options.seed) : meadow_backbone();
    RetrainOptions how;
    how.model = kMeadowModel;
    how.strategy = strategy;
    how.recipe = demo_recipe(strategy);
    if (options.epochs > 0) how.recipe.epochs = options.epochs;
    for (const auto& [setting, value] : options.settings) set(how.recipe, setting, value);
    check(how.recipe, strategy);
    how.preprocess = meadow_preprocess();
    how.seed = options.seed;
    how.cache = false;
    how.compute = options.compute;
    RunResult run = retrain(*network, train, result.test, how, on_progress);
    run.weights = scratch ? "" : "meadow.safetensors (ships with graft)";
    run.data = str("meadow, five species, seed ", options.seed);
    result.runs.push_back(std::move(run));
  }
  result.seconds = watch.seconds();
  return result;
}

}  // namespace graft::transfer
