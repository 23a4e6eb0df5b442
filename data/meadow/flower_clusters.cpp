#include "data/meadow/species.h"

namespace graft::data::meadow {

namespace {

using Kind = Centre::Kind;

constexpr Outline kRound{0.6f, 0.25f, 0.1f, 3, 0.5f};
constexpr Outline kPointed{0.45f, 0.35f, 0, 1.6f, 0.9f};
constexpr Outline kBell{0.55f, 0.75f, 0.1f, 2.5f, 0.7f};
constexpr float kHalf = 0.5f * kPi;

// Five joined upright petals with tips that roll outwards.
Bloom bell(float curl) {
  return {{{.count = 5,
            .petal = {kBell, 1.2f, 0.36f},
            .ring = 0.2f,
            .rise = 1.25f,
            .curl = curl,
            .cup = 0.5f,
            .pitch = 0.05f}},
          {}};
}

}  // namespace

std::vector<Species> flower_clusters() {
  return {
      // clang-format off
      {"allium", Flower{.bloom = {{{.count = 6, .petal = {kPointed, 1, 0.16f}}}, {}},
         .habit = Habit::globe, .florets = 45, .floret_size = 0.28f}},
      {"bellflower", Flower{.bloom = bell(-0.9f), .habit = Habit::nodding, .tilt_from = 0.9f,
         .tilt_to = 1.6f}},
      {"bluebell", Flower{.bloom = bell(-1.2f), .habit = Habit::raceme, .florets = 9, .floret_size = 0.26f,
         .tilt_from = 0, .tilt_to = 0.4f}},
      {"cow_parsley", Flower{.bloom = {{{.count = 5, .petal = {kRound, 0.9f, 0.4f}}}, {}},
         .habit = Habit::umbel, .florets = 32, .floret_size = 0.14f, .tilt_from = 0.3f, .tilt_to = 1.4f}},
      {"foxglove", Flower{.bloom = bell(-0.4f), .habit = Habit::spike, .florets = 14, .floret_size = 0.38f,
         .tilt_from = 0, .tilt_to = 0.4f}},
      {"hydrangea", Flower{.bloom = {{{.count = 4, .petal = {kRound, 0.95f, 0.5f}}}, {}},
         .habit = Habit::globe, .florets = 32, .floret_size = 0.34f}},
      // Three petals stand, three hang.
      {"iris", Flower{.bloom =
         {{{.count = 3, .petal = {kRound, 1.0f, 0.34f}, .rise = 1.1f, .curl = 0.5f, .cup = 0.6f,
           .ruffle = 0.1f},
         {.count = 3, .petal = {kRound, 1.05f, 0.33f}, .rise = 0.3f, .curl = -1.8f, .ruffle = 0.12f,
           .first = 0.5f, .part = Part::second}}, {}}, .tilt_from = 0.8f, .tilt_to = 1.5f}},
      {"lavender", Flower{.bloom = {{{.count = 4, .petal = {kRound, 0.9f, 0.35f}, .rise = 0.7f}}, {}},
         .habit = Habit::spike, .florets = 34, .floret_size = 0.15f, .tilt_from = 0, .tilt_to = 0.4f}},
      {"lily_of_the_valley", Flower{.bloom = bell(0.3f),
         .habit = Habit::raceme, .florets = 12, .floret_size = 0.15f, .tilt_from = 0, .tilt_to = 0.4f}},
      // A large lip below, three narrow petals above, two wide ones at the sides. Petals are counted from the
      // right.
      {"orchid", Flower{.bloom =
         {{{.count = 3, .petal = {kPointed, 0.95f, 0.15f}, .first = kHalf, .arc = 2.6f},
         {.count = 2, .petal = {kRound, 0.85f, 0.36f}, .first = kHalf, .arc = 2.4f, .height = 0.05f},
         {.count = 1, .petal = {{0.75f, 0.3f, 0.4f, 3, 0.5f}, 0.75f, 0.34f, 0.25f}, .rise = 0.8f,
           .curl = -1.2f, .ruffle = 0.15f, .first = -kHalf, .height = 0.08f, .part = Part::second}},
         {Kind::disc, 0.1f, 0.2f}}, .tilt_to = 0.6f}},
      {"pansy", Flower{.bloom =
         {{{.count = 2, .petal = {kRound, 0.95f, 0.5f}, .first = kHalf, .arc = 0.9f, .part = Part::second},
         {.count = 2, .petal = {kRound, 0.85f, 0.42f}, .first = kHalf, .arc = 2.7f, .height = 0.06f},
         {.count = 1, .petal = {{0.75f, 0.2f, 0.5f, 3, 0.5f}, 0.85f, 0.55f, 0.15f}, .first = -kHalf,
           .height = 0.1f}}, {Kind::disc, 0.07f, 0.12f}}, .tilt_to = 0.6f}},
      {"red_clover", Flower{.bloom =
         {{{.count = 3, .petal = {kPointed, 1.2f, 0.25f}, .rise = 0.9f, .curl = 0.3f}}, {}},
         .habit = Habit::globe, .florets = 55, .floret_size = 0.3f}},
      {"scabious", Flower{.bloom =
         {{{.count = 12, .petal = {{0.7f, 0.3f, 0.5f, 3, 0.5f}, 0.6f, 0.17f, 0.2f, 3}, .ring = 0.35f}},
         {Kind::brush, 0.42f, 0.3f, 40}}}},
      // A standard behind, two wings, a keel.
      {"sweet_pea", Flower{.bloom =
         {{{.count = 1, .petal = {{0.6f, 0.2f, 0.5f, 3, 0.5f}, 1.0f, 0.85f, 0.15f}, .rise = 0.3f,
           .ruffle = 0.12f, .first = kHalf},
         {.count = 2, .petal = {kRound, 0.7f, 0.3f}, .rise = 0.5f, .curl = 0.6f, .first = -kHalf,
           .arc = 1.5f, .height = 0.1f, .part = Part::second},
         {.count = 1, .petal = {kPointed, 0.6f, 0.2f}, .rise = 0.8f, .curl = 0.5f, .cup = 1.2f,
           .first = -kHalf, .height = 0.12f}}, {}}, .tilt_to = 0.7f}},
      // A ball of bracts with a brush on top.
      {"thistle", Flower{.bloom = {layers(5,
         {.count = 12, .petal = {kPointed, 0.5f, 0.12f}, .ring = 0.35f, .rise = 0.2f, .curl = 0.3f,
           .height = -0.5f, .part = Part::sepal},
         {.count = 12, .petal = {kPointed, 0.45f, 0.1f}, .ring = 0.25f, .rise = 1.2f, .curl = -0.4f,
           .height = 0.1f, .part = Part::sepal}) + layers(3,
         {.count = 26, .petal = {kPointed, 0.8f, 0.03f}, .ring = 0.2f, .rise = 0.8f, .height = 0.1f},
         {.count = 14, .petal = {kPointed, 0.8f, 0.03f}, .ring = 0.1f, .rise = 1.3f, .height = 0.1f}), {}},
         .tilt_from = 0.7f, .tilt_to = 1.5f}},
      {"yarrow", Flower{.bloom =
         {{{.count = 5, .petal = {{0.7f, 0.4f, 0.5f, 3, 0.5f}, 0.8f, 0.42f}, .ring = 0.3f}},
         {Kind::disc, 0.4f, 0.3f}}, .habit = Habit::umbel, .florets = 18, .floret_size = 0.27f,
         .tilt_from = 0.2f, .tilt_to = 1.2f}},
      // clang-format on
  };
}

}  // namespace graft::data::meadow
