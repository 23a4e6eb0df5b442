#include "data/meadow/species.h"

namespace graft::data::meadow {

namespace {

using Kind = Centre::Kind;

// Outlines that many flowers share: widest, base, tip, blunt, point.
constexpr Outline kRound{0.6f, 0.25f, 0.1f, 3, 0.5f};
constexpr Outline kPointed{0.45f, 0.35f, 0, 1.6f, 0.9f};
constexpr Outline kStrap{0.6f, 0.5f, 0, 3, 0.5f};
constexpr Outline kSquare{0.75f, 0.3f, 0.6f, 4, 0.5f};
constexpr Outline kBristle{0.3f, 0.5f, 0, 1.2f, 1.4f};

}  // namespace

std::vector<Species> wild_flowers() {
  return {
      // clang-format off
      {"anemone", Flower{.bloom =
         {{{.count = 8, .petal = {kRound, 0.85f, 0.26f}, .ring = 0.12f, .rise = 0.2f}},
         {Kind::stamens, 0.3f, 0.15f, 20}}}},
      {"aster", Flower{.bloom =
         {{{.count = 30, .petal = {kStrap, 0.82f, 0.045f}, .ring = 0.16f, .rise = 0.05f}},
         {Kind::disc, 0.2f, 0.08f}}}},
      {"buttercup", Flower{.bloom =
         {{{.count = 5, .petal = {kRound, 0.9f, 0.45f}, .ring = 0.06f, .rise = 0.3f, .curl = 0.4f,
           .cup = 0.3f}}, {Kind::stamens, 0.25f, 0.15f, 14}}}},
      {"camellia", Flower{.bloom = {layers(6,
         {.count = 8, .petal = {kRound, 0.95f, 0.36f}, .ring = 0.05f, .rise = 0.05f, .cup = 0.15f,
           .pitch = 0.05f},
         {.count = 5, .petal = {kRound, 0.22f, 0.13f}, .ring = 0.02f, .rise = 0.6f, .cup = 0.3f,
           .height = 0.15f}), {}}}},
      {"carnation", Flower{.bloom = {layers(4,
         {.count = 9, .petal = {kSquare, 0.95f, 0.3f, 0, 6}, .rise = 0.15f, .ruffle = 0.15f},
         {.count = 6, .petal = {kSquare, 0.5f, 0.2f, 0, 6}, .rise = 1.0f, .ruffle = 0.15f, .height = 0.1f}),
           {}}}},
      {"chrysanthemum", Flower{.bloom = {layers(6,
         {.count = 20, .petal = {kStrap, 0.95f, 0.09f}, .ring = 0.04f, .rise = -0.1f, .curl = 0.4f,
           .cup = 0.8f},
         {.count = 9, .petal = {kStrap, 0.4f, 0.08f}, .ring = 0.02f, .rise = 1.1f, .curl = 0.8f,
           .cup = 0.8f, .height = 0.15f}), {}}}},
      {"clematis", Flower{.bloom =
         {{{.count = 8, .petal = {kPointed, 0.92f, 0.22f}, .ring = 0.08f, .rise = 0.03f}},
         {Kind::brush, 0.28f, 0.2f, 24}}}},
      {"columbine", Flower{.bloom =
         {{{.count = 5, .petal = {kPointed, 0.95f, 0.2f}, .ring = 0.05f, .rise = 0.1f},
         {.count = 5, .petal = {kRound, 0.5f, 0.2f}, .ring = 0.12f, .rise = 1.0f, .cup = 0.8f,
           .first = 0.5f, .part = Part::second}}, {Kind::stamens, 0.14f, 0.4f, 10}}}},
      {"coneflower", Flower{.bloom =
         {{{.count = 14, .petal = {kStrap, 0.85f, 0.12f, 0.05f}, .ring = 0.25f, .rise = -0.4f,
           .curl = -0.5f}}, {Kind::disc, 0.34f, 0.38f}}, .tilt_from = 0.4f, .tilt_to = 1.4f}},
      {"cosmos", Flower{.bloom =
         {{{.count = 8, .petal = {kSquare, 0.85f, 0.27f, 0, 4}, .ring = 0.12f, .rise = 0.08f}},
         {Kind::disc, 0.17f, 0.08f}}}},
      {"crocus", Flower{.bloom =
         {{{.count = 3, .petal = {kPointed, 1.5f, 0.3f}, .ring = 0.06f, .rise = 1.0f, .curl = 0.25f,
           .cup = 0.4f, .height = -0.6f},
         {.count = 3, .petal = {kPointed, 1.4f, 0.28f}, .ring = 0.05f, .rise = 1.1f, .curl = 0.2f,
           .cup = 0.4f, .first = 0.5f, .height = -0.6f}}, {Kind::stamens, 0.12f, 0.45f, 3}},
         .tilt_from = 0.4f, .tilt_to = 1.4f}},
      {"daffodil", Flower{.bloom = {{{.count = 6, .petal = {kPointed, 0.85f, 0.26f}, .ring = 0.1f}},
         {Kind::trumpet, 0.3f, 0.55f}}}},
      {"dahlia", Flower{.bloom = {layers(6,
         {.count = 14, .petal = {kPointed, 0.95f, 0.16f}, .ring = 0.04f, .rise = 0.0f, .cup = 1.1f},
         {.count = 8, .petal = {kPointed, 0.3f, 0.1f}, .ring = 0.02f, .rise = 1.0f, .cup = 1.1f,
           .height = 0.2f}), {}}}},
      {"fuchsia", Flower{.bloom =
         {{{.count = 4, .petal = {kPointed, 1.0f, 0.16f}, .ring = 0.08f, .rise = -0.2f, .curl = -0.9f},
         {.count = 4, .petal = {kRound, 0.6f, 0.28f}, .ring = 0.05f, .rise = 1.3f, .cup = 0.8f,
           .first = 0.5f, .part = Part::second}}, {Kind::stamens, 0.2f, 0.95f, 7}}, .habit = Habit::nodding,
         .tilt_from = 0.9f, .tilt_to = 1.5f}},
      {"gentian", Flower{.bloom =
         {{{.count = 5, .petal = {{0.85f, 0.35f, 0, 1.5f, 0.8f}, 1.35f, 0.3f}, .ring = 0.1f, .rise = 1.35f,
           .curl = -1.1f, .cup = 0.5f, .pitch = 0, .height = -0.5f}}, {Kind::none}}, .tilt_from = 0.3f,
         .tilt_to = 1.3f}},
      {"gerbera", Flower{.bloom = {layers(2,
         {.count = 22, .petal = {kStrap, 0.75f, 0.1f}, .ring = 0.22f, .rise = 0.03f},
         {.count = 16, .petal = {kStrap, 0.4f, 0.06f}, .ring = 0.2f, .rise = 0.35f}),
         {Kind::brush, 0.24f, 0.12f, 30}}}},
      {"lily", Flower{.bloom =
         {{{.count = 6, .petal = {kPointed, 1.1f, 0.2f}, .ring = 0.05f, .rise = 0.9f, .curl = -1.6f,
           .height = -0.2f}}, {Kind::stamens, 0.35f, 0.6f, 6}}}},
      {"lotus", Flower{.bloom = {layers(3,
         {.count = 8, .petal = {kPointed, 1.0f, 0.28f}, .ring = 0.12f, .rise = 0.3f, .curl = 0.5f,
           .cup = 0.7f},
         {.count = 8, .petal = {kPointed, 0.8f, 0.25f}, .ring = 0.12f, .rise = 0.9f, .curl = 0.5f,
           .cup = 0.7f}), {Kind::disc, 0.18f, 0.3f}}, .tilt_to = 1.3f}},
      {"magnolia", Flower{.bloom =
         {{{.count = 9, .petal = {kRound, 1.15f, 0.3f}, .ring = 0.06f, .rise = 0.75f, .curl = 0.35f,
           .cup = 0.6f, .height = -0.3f}}, {Kind::disc, 0.12f, 0.4f}}, .tilt_from = 0.3f, .tilt_to = 1.3f}},
      {"mallow", Flower{.bloom =
         {{{.count = 5, .petal = {{0.8f, 0.12f, 0.5f, 3, 0.5f}, 0.95f, 0.36f, 0.3f}, .ring = 0.05f,
           .rise = 0.2f}}, {Kind::brush, 0.1f, 0.35f, 18}}}},
      {"marigold", Flower{.bloom = {layers(5,
         {.count = 13, .petal = {kSquare, 0.95f, 0.22f, 0.1f}, .rise = 0.0f, .ruffle = 0.1f},
         {.count = 7, .petal = {kSquare, 0.4f, 0.14f, 0.1f}, .rise = 0.8f, .ruffle = 0.1f,
           .height = 0.15f}), {}}}},
      {"mustard", Flower{.bloom =
         {{{.count = 4, .petal = {{0.7f, 0.15f, 0.1f, 3, 0.5f}, 0.9f, 0.3f}, .ring = 0.06f, .rise = 0.1f}},
         {Kind::stamens, 0.18f, 0.25f, 6}}}},
      {"passion_flower", Flower{.bloom =
         {{{.count = 10, .petal = {kStrap, 0.85f, 0.16f}, .ring = 0.1f, .rise = 0.0f},
         {.count = 44, .petal = {kStrap, 0.5f, 0.02f}, .ring = 0.1f, .rise = 0.2f, .height = 0.06f,
           .part = Part::second}}, {Kind::stamens, 0.2f, 0.3f, 5}}}},
      {"peony", Flower{.bloom = {layers(5,
         {.count = 7, .petal = {kSquare, 0.9f, 0.42f}, .rise = 0.35f, .curl = 0.6f, .cup = 0.6f,
           .ruffle = 0.25f},
         {.count = 6, .petal = {kSquare, 0.5f, 0.25f}, .rise = 0.9f, .curl = 0.9f, .cup = 0.6f,
           .ruffle = 0.25f, .height = 0.1f}), {}}}},
      {"periwinkle", Flower{.bloom =
         {{{.count = 5, .petal = {{0.8f, 0.15f, 0.4f, 3, 0.5f}, 0.9f, 0.36f}, .ring = 0.08f, .skew = 0.3f}},
         {Kind::none}}}},
      {"poppy", Flower{.bloom =
         {{{.count = 4, .petal = {{0.65f, 0.3f, 0.4f, 3, 0.5f}, 0.95f, 0.62f}, .ring = 0.03f, .rise = 0.3f,
           .curl = 0.4f, .cup = 0.2f, .ruffle = 0.12f}}, {Kind::stamens, 0.26f, 0.16f, 22}}}},
      {"rudbeckia", Flower{.bloom =
         {{{.count = 11, .petal = {kPointed, 0.75f, 0.17f}, .ring = 0.26f, .rise = -0.05f}},
         {Kind::disc, 0.3f, 0.28f}}}},
      {"snowdrop", Flower{.bloom =
         {{{.count = 3, .petal = {kRound, 1.2f, 0.3f}, .ring = 0.06f, .rise = 1.1f, .curl = 0.1f,
           .cup = 0.5f},
         {.count = 3, .petal = {kSquare, 0.65f, 0.22f, 0.2f}, .ring = 0.05f, .rise = 1.3f, .cup = 0.5f,
           .first = 0.5f, .part = Part::sepal}}, {Kind::none}}, .habit = Habit::nodding, .tilt_from = 0.9f,
         .tilt_to = 1.6f}},
      {"squill", Flower{.bloom =
         {{{.count = 6, .petal = {kPointed, 0.9f, 0.13f}, .ring = 0.08f, .rise = 0.1f}},
         {Kind::stamens, 0.3f, 0.2f, 6}}}},
      {"trillium", Flower{.bloom =
         {{{.count = 3, .petal = {kPointed, 0.95f, 0.36f}, .ring = 0.06f, .rise = 0.15f},
         {.count = 3, .petal = {kPointed, 0.75f, 0.18f}, .ring = 0.06f, .first = 0.5f, .height = -0.05f,
           .part = Part::sepal}}, {Kind::stamens, 0.16f, 0.25f, 6}}}},
      {"water_lily", Flower{.bloom = {layers(4,
         {.count = 11, .petal = {kPointed, 1.0f, 0.15f}, .ring = 0.08f, .rise = 0.1f, .curl = 0.25f,
           .cup = 0.6f},
         {.count = 9, .petal = {kPointed, 0.6f, 0.11f}, .ring = 0.08f, .rise = 0.9f, .curl = 0.2f,
           .cup = 0.6f}), {Kind::stamens, 0.15f, 0.2f, 12}}}},
      {"wild_clematis", Flower{.bloom =
         {{{.count = 4, .petal = {kBristle, 0.95f, 0.2f}, .ring = 0.05f, .rise = 0.1f}},
         {Kind::brush, 0.5f, 0.35f, 40}}}},
      {"zinnia", Flower{.bloom = {layers(3,
         {.count = 13, .petal = {kSquare, 0.75f, 0.16f}, .ring = 0.2f, .rise = -0.05f},
         {.count = 11, .petal = {kSquare, 0.4f, 0.13f}, .ring = 0.17f, .rise = 0.4f, .height = 0.06f}),
         {Kind::disc, 0.22f, 0.14f}}}},
      // clang-format on
  };
}

}  // namespace graft::data::meadow
