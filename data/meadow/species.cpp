#include "data/meadow/species.h"

#include <algorithm>

namespace graft::data::meadow {

const std::vector<Species>& pretraining_species() {
  static const std::vector<Species> all = [] {
    std::vector<Species> list = wild_flowers();
    for (auto more : {flower_clusters(), leaves_and_things()})
      list.insert(list.end(), more.begin(), more.end());
    std::sort(list.begin(), list.end(), [](const Species& a, const Species& b) { return a.name < b.name; });
    return list;
  }();
  return all;
}

const std::vector<Species>& demo_species() {
  static const std::vector<Species> all = {
      // clang-format off
      // One ring of many narrow petals around a middling, low disc.
      {"daisy", Flower{.bloom =
         {.whorls = {{.count = 18, .petal = {.outline = {0.65f, 0.45f, 0, 3, 0.5f}, .length = 0.72f,
           .width = 0.1f}, .ring = 0.22f, .rise = 0.12f, .curl = -0.15f}},
         .centre = {Centre::Kind::disc, 0.26f, 0.12f}}, .tilt_to = 1.05f}},
      // No disc: straps with cut ends in many layers, the inner ones shorter and more upright.
      {"dandelion", Flower{.bloom = {.whorls = layers(5,
         {.count = 24, .petal = {.outline = {0.5f, 0.6f, 0.55f, 4, 0.5f}, .length = 0.95f, .width = 0.065f,
           .teeth = 2}, .ring = 0.05f, .rise = 0.05f, .curl = -0.1f},
         {.count = 10, .petal = {.length = 0.3f, .width = 0.05f}, .ring = 0.02f, .rise = 1.2f,
           .curl = -0.3f, .height = 0.1f})}, .tilt_to = 1.05f}},
      // Broad petals wound around each other, upright in the middle and rolled back at the rim.
      {"rose", Flower{.bloom = {.whorls = layers(5,
         {.count = 5, .petal = {.outline = {0.62f, 0.35f, 0.2f, 3, 0.5f}, .length = 0.95f, .width = 0.55f,
           .notch = 0.08f}, .ring = 0.08f, .rise = 0.35f, .curl = -0.25f, .cup = 0.35f, .pitch = 0.3f},
         {.count = 3, .petal = {.length = 0.55f, .width = 0.24f}, .ring = 0.05f, .rise = 1.5f,
           .curl = 0.25f, .cup = 0.9f, .pitch = 0.35f})}, .tilt_to = 1.05f}},
      // A very wide disc with spirals, and two rings of short pointed petals.
      {"sunflower", Flower{.bloom = {.whorls = layers(2,
         {.count = 20, .petal = {.outline = {0.4f, 0.5f, 0, 1.6f, 0.9f}, .length = 0.5f, .width = 0.12f},
           .ring = 0.54f, .rise = 0.05f},
         {.count = 20, .petal = {.length = 0.45f, .width = 0.11f}, .ring = 0.52f, .rise = 0.25f}),
         .centre = {Centre::Kind::disc, 0.6f, 0.12f}}, .tilt_to = 1.05f}},
      // A cup of six broad upright petals.
      {"tulip", Flower{.bloom =
         {.whorls = {{.count = 3, .petal = {.outline = {0.45f, 0.5f, 0, 2, 0.6f}, .length = 1.45f,
           .width = 0.52f}, .ring = 0.14f, .rise = 0.75f, .curl = 1.1f, .cup = 0.45f, .height = -0.65f},
         {.count = 3, .petal = {.outline = {0.45f, 0.5f, 0, 2, 0.6f}, .length = 1.4f, .width = 0.5f},
           .ring = 0.1f, .rise = 0.85f, .curl = 1.0f, .cup = 0.5f, .first = 0.5f, .height = -0.65f}},
         .centre = {Centre::Kind::stamens, 0.15f, 0.0f, 6}}, .tilt_from = 0.5f, .tilt_to = 1.5f}},
      // clang-format on
  };
  return all;
}

}  // namespace graft::data::meadow
