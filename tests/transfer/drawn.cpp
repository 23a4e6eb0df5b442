#include "tests/transfer/drawn.h"

#include <algorithm>
#include <filesystem>

#include "core/rng.h"

namespace graft::test {

using namespace transfer;

PictureSet drawn_pictures(int64_t classes, int64_t each, int64_t size, uint64_t seed) {
  PictureSet set;
  for (int64_t kind = 0; kind < classes; ++kind) {
    set.classes.push_back(str("kind", kind));
    for (int64_t i = 0; i < each; ++i) {
      Rng rng(seed, static_cast<uint64_t>(kind), static_cast<uint64_t>(i));
      auto image = std::make_shared<data::Image>(size, size);
      for (int64_t y = 0; y < size; ++y) {
        for (int64_t x = 0; x < size; ++x) {
          bool stripe = (kind % 2 == 0 ? x : y) % 4 < 2;
          for (int64_t c = 0; c < 3; ++c) {
            double level = 90 + 60 * (c == kind % 3) + 50 * stripe + 40 * rng.normal();
            image->row(y)[3 * x + c] = static_cast<uint8_t>(std::clamp(level, 0.0, 255.0));
          }
        }
      }
      set.files.push_back(str("kind", kind, "/", i, ".png"));
      set.labels.push_back(kind);
      set.pixels.push_back(std::move(image));
    }
  }
  return set;
}

std::unique_ptr<nn::CifarResNet> small_network(int64_t classes, uint64_t seed) {
  nn::CifarResNetConfig config{{8, 16}, {1, 1}};
  return std::make_unique<nn::CifarResNet>(config, classes, seed);
}

RetrainOptions quick_options(const char* strategy) {
  RetrainOptions options;
  options.model = "small";
  options.strategy = parse_strategy(strategy);
  options.recipe = default_recipe("cifar_resnet20", options.strategy);
  options.recipe.epochs = 3;
  options.recipe.batch = 8;
  options.recipe.augment.pad = 1;
  options.preprocess = {.resize = 0, .crop = 8};
  options.seed = 5;
  options.cache = false;
  return options;
}

void write_folder(const PictureSet& set, const std::string& folder) {
  for (size_t i = 0; i < set.files.size(); ++i) {
    std::filesystem::path path = std::filesystem::path(folder) / set.files[i];
    std::filesystem::create_directories(path.parent_path());
    data::write_png(path.string(), *set.pixels[i]);
  }
}

}  // namespace graft::test
