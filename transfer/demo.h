// The embedded demo: what transfer learning gains, shown on pictures that graft draws and a backbone that
// graft made. Needs nothing from outside.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "nn/models/classifier.h"
#include "transfer/compute.h"
#include "transfer/pictures.h"
#include "transfer/recipe.h"
#include "transfer/result.h"

namespace graft::transfer {

struct DemoOptions {
  uint64_t seed = 1;        // of the pictures, the heads, the order, the augmentation
  int64_t per_class = 100;  // pictures of each species to learn from, and as many to be tested on
  Compute compute;          // where the networks learn
  int epochs = 0;           // of every strategy; 0: as demo_recipe says
  std::vector<std::string> strategies = {"scratch", "head", "partial:1", "full"};
  // Settings to try instead of demo_recipe's, name and value as in set() of recipe.h, for every strategy.
  std::vector<std::pair<std::string, std::string>> settings;
};

struct DemoResult {
  std::vector<RunResult> runs;  // one for each strategy, in their order
  PictureSet test;              // the held-out pictures
  double seconds = 0;
};

// The settings of each strategy, as docs/meadow.md tells.
Recipe demo_recipe(const Strategy& strategy);

// Pictures number first, first + 1, ... of each of the five flowers.
PictureSet demo_pictures(uint64_t seed, int64_t per_class, int64_t first);

// The network of the demo with the weights that ship with graft.
std::unique_ptr<nn::Classifier> meadow_backbone();

DemoResult run_demo(const DemoOptions& options, const OnProgress& on_progress = {});

}  // namespace graft::transfer
