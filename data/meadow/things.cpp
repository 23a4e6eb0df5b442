#include "data/meadow/things.h"

#include "data/meadow/noise.h"

namespace graft::data::meadow {

namespace {

// A ball, squeezed to the radii, about the pose's origin.
template <class Paint>
void ball(Canvas& canvas, const Pose& pose, Vec radii, Grid grid, const Paint& color) {
  revolve(
      canvas, pose, grid,
      [&](float u) {
        return Vec{std::sin(kPi * u), 0, std::cos(kPi * u)};
      },
      color, radii);
}

// Things that stand are described with their axis up; the pose's front is turned there.
Pose standing(const Pose& pose) {
  return pose.tilted(0.5f * kPi);
}

float size_of(const Pose& pose) {
  return std::sqrt(dot(pose.right, pose.right));
}

void cap_and_stem(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng, bool spots) {
  float height = between(rng, 0.5f, 0.85f), flare = between(rng, 0.8f, 1.05f);
  Noise noise(rng.bits());
  Pose axis = standing(pose);
  revolve(
      canvas, axis, {7, 16},
      [&](float u) {
        float a = 0.55f * kPi * u;
        return Vec{flare * std::sin(a), 0, height * std::cos(a) + 0.15f};
      },
      [&](float u, float v) {
        float dots = spots ? std::cos(2 * kPi * 7 * v + 9 * u) * std::cos(10 * u) : -1;
        Color c = palette.petal * (0.85f + 0.2f * noise.at(6 * u, 20 * v));
        return mix(c, {0.9f, 0.88f, 0.8f}, smoothstep(0.25f, 0.5f, dots));
      });
  revolve(
      canvas, axis, {3, 20},  // the gills, from below
      [&](float u) {
        return Vec{flare * (1 - 0.85f * u), 0, 0.05f + 0.1f * u};
      },
      [&](float, float v) { return palette.second * (0.6f + 0.2f * std::cos(2 * kPi * 24 * v)); });
  revolve(
      canvas, axis, {6, 10},
      [&](float u) {
        return Vec{0.2f + 0.1f * u * u, 0, 0.12f - 1.2f * u};
      },
      [&](float u, float v) { return palette.second * (0.85f + 0.15f * noise.at(5 * u, 30 * v)); });
}

}  // namespace

void draw_mushroom(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  cap_and_stem(canvas, pose, palette, rng, false);
}

void draw_spotted_mushroom(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  cap_and_stem(canvas, pose, palette, rng, true);
}

void draw_shelf_fungus(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  for (int i = 0; i < 4; ++i) {  // half discs with growth rings, one over the other
    float size = between(rng, 0.6f, 1.0f);
    Pose at = pose.moved({between(rng, -0.25f, 0.25f), 0.75f - 0.5f * i, 0.1f * i})
                  .tilted(between(rng, 0.75f, 1.0f));
    canvas.add(
        at, {8, 14},
        [&](float u, float v) {
          float ray = kPi * (1 + v);
          return Vec{size * u * std::cos(ray), size * u * std::sin(ray), 0.15f * u * u};
        },
        [&](float u, float) { return mix(palette.petal, palette.second, 0.5f + 0.5f * std::cos(16 * u)); });
  }
}

void draw_berries(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  int n = 7 + static_cast<int>(rng.below(6));
  for (int i = 0; i < n; ++i) {
    float ray = 2.39996f * i, r = 0.23f * std::sqrt(static_cast<float>(i));
    Vec at{r * std::cos(ray), r * std::sin(ray), between(rng, -0.1f, 0.15f)};
    draw_stem(canvas, pose({0.2f, 1.3f, -0.3f}), pose({0, 0.8f, -0.2f}), pose(at), 0.02f * size_of(pose),
              palette.green);
    ball(canvas, pose.moved(at), Vec{1, 1, 1} * between(rng, 0.21f, 0.26f), {6, 9}, [&](float u, float) {
      return mix(palette.petal, {0.95f, 0.95f, 0.95f}, 0.6f * (1 - smoothstep(0.05f, 0.2f, u)));
    });
  }
}

void draw_bramble(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  Pose axis = standing(pose);
  constexpr int kDrupelets = 40;
  for (int i = 0; i < kDrupelets; ++i) {  // small balls on an egg
    float z = 1 - 2 * (i + 0.5f) / kDrupelets, r = std::sqrt(1 - z * z), ray = 2.39996f * i;
    Vec at{0.62f * r * std::cos(ray), 0.62f * r * std::sin(ray), 0.8f * z};
    float tone = between(rng, 0.8f, 1.1f);
    ball(canvas, axis.moved(at), Vec{1, 1, 1} * 0.2f, {4, 6},
         [&](float u, float) { return palette.petal * (tone * (0.7f + 0.3f * std::cos(kPi * u))); });
  }
  Whorl sepals{.count = 5,
               .petal = {.length = 0.6f, .width = 0.15f},
               .rise = -0.4f,
               .height = 0.8f,
               .part = Part::sepal};
  draw_bloom(canvas, axis, {{sepals}, {}}, palette, rng, 0.6f);
  draw_stem(canvas, axis({0, 0, 0.7f}), axis({0, 0, 1.2f}), axis({0.5f, 0, 2.2f}), 0.04f * size_of(pose),
            palette.green);
}

void draw_cone(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  Pose axis = standing(pose);
  std::vector<Whorl> scales;
  for (int i = 0; i < 8; ++i) {
    float t = static_cast<float>(i) / 7;
    float r = 0.5f * std::sin(kPi * (0.15f + 0.75f * (1 - t)));
    scales.push_back({.count = 7,
                      .petal = {.outline = {0.7f, 0.5f, 0.1f, 3, 0.5f}, .length = 0.38f, .width = 0.22f},
                      .ring = 0.6f * r,
                      .rise = 0.7f,
                      .curl = -0.4f,
                      .first = 0.5f * (i % 2),
                      .height = 1.7f * t - 1,
                      .part = Part::second});
  }
  draw_bloom(canvas, axis, {scales, {}}, palette, rng, 0.5f);
}

void draw_acorn(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  Pose axis = standing(pose);
  Noise noise(rng.bits());
  revolve(
      canvas, axis, {8, 12},
      [](float u) {
        float a = 0.5f * kPi * u;
        return Vec{0.55f * std::cos(a * a * 0.637f), 0, 0.2f - 1.15f * std::sin(a)};
      },
      [&](float, float v) { return palette.petal * (0.85f + 0.15f * std::cos(40 * v)); });
  revolve(
      canvas, axis, {6, 14},
      [](float u) {
        float a = 0.5f * kPi * u;
        return Vec{0.66f * std::sin(a), 0, 0.12f + 0.42f * std::cos(a)};
      },
      [&](float u, float v) {
        return palette.second * (0.6f + 0.4f * std::cos(22 * u) * std::cos(2 * kPi * 12 * v));
      });
  draw_stem(canvas, axis({0, 0, 0.5f}), axis({0, 0, 0.9f}), axis({0.3f, 0.2f, 1.5f}), 0.06f * size_of(pose),
            palette.second);
}

void draw_poppy_capsule(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  Pose axis = standing(pose);
  revolve(
      canvas, axis, {9, 16},
      [](float u) {
        return Vec{0.08f + 0.52f * std::sin(kPi * std::pow(u, 0.8f)) * (1 - 0.1f * u), 0, 0.6f - 1.3f * u};
      },
      [&](float, float v) { return palette.green * (0.9f + 0.25f * std::cos(2 * kPi * 10 * v)); });
  revolve(
      canvas, axis, {3, 24},  // the lid with its rays
      [](float u) {
        return Vec{0.5f * u, 0, 0.72f - 0.1f * u};
      },
      [&](float, float v) { return palette.second * (0.75f + 0.25f * std::cos(2 * kPi * 10 * v)); });
  draw_stem(canvas, axis({0, 0, -0.6f}), axis({0, 0, -1.4f}), axis({between(rng, -0.5f, 0.5f), 0, -3}),
            0.06f * size_of(pose), palette.green);
}

void draw_wheat(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  for (int i = 0; i < 16; ++i) {  // grains in two rows, each with its awn
    float t = i / 16.f, side = i % 2 == 0 ? 1.f : -1.f;
    Vec at{0.1f * side, 1.5f * t - 0.9f, 0.02f * (i % 3)};
    Pose grain = pose.moved(at).rolled(-side * between(rng, 0.35f, 0.5f)).tilted(-0.5f * kPi);
    ball(canvas, grain, {0.1f, 0.08f, 0.2f}, {5, 6},
         [&](float u, float) { return palette.second * (0.75f + 0.3f * u); });
    draw_stem(canvas, pose(at), pose(at + Vec{0.2f * side, 0.4f, 0}),
              pose(at + Vec{0.45f * side, 0.95f, 0.1f}), 0.008f * size_of(pose), palette.second);
  }
  draw_stem(canvas, pose({0, 0.6f, -0.03f}), pose({0, -1, -0.03f}), pose({between(rng, -0.6f, 0.6f), -3, 0}),
            0.03f * size_of(pose), palette.second);
}

void draw_reed_mace(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  Pose axis = standing(pose);
  Noise noise(rng.bits());
  revolve(
      canvas, axis, {8, 10},
      [](float u) {
        return Vec{0.2f * std::pow(std::max(0.f, std::sin(kPi * u)), 0.3f), 0, 0.8f - 1.4f * u};
      },
      [&](float u, float v) { return palette.second * (0.7f + 0.2f * noise.at(25 * u, 25 * v)); });
  draw_stem(canvas, axis({0, 0, 1.35f}), axis({0, 0, 1}), axis({0, 0, 0.7f}), 0.03f * size_of(pose),
            palette.second);
  draw_stem(canvas, axis({0, 0, -0.5f}), axis({0, 0, -1.5f}), axis({between(rng, -0.4f, 0.4f), 0, -3}),
            0.05f * size_of(pose), palette.green);
}

void draw_grass(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  for (int i = 0; i < 22; ++i) {
    float foot = between(rng, -0.25f, 0.25f), lean = between(rng, -1.2f, 1.2f),
          tall = between(rng, 0.9f, 2.0f);
    draw_stem(canvas, pose({foot, -1, between(rng, -0.2f, 0.2f)}),
              pose({foot + 0.2f * lean, -1 + 0.7f * tall, 0}),
              pose({foot + lean, -1 + tall * (1 - 0.35f * std::abs(lean)), between(rng, 0, 0.3f)}),
              0.035f * size_of(pose), palette.green * between(rng, 0.7f, 1.3f));
  }
}

void draw_pebbles(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  Noise noise(rng.bits());
  for (int i = 0; i < 34; ++i) {
    float r = 0.42f * std::sqrt(static_cast<float>(i)), ray = 2.39996f * i, size = between(rng, 0.22f, 0.42f);
    Vec at{r * std::cos(ray), r * std::sin(ray), between(rng, -0.4f, -0.2f)};
    Color c = mix(palette.second, {0.4f, 0.4f, 0.4f}, between(rng, 0.2f, 0.9f)) * between(rng, 0.5f, 1.2f);
    ball(canvas, pose.moved(at).rolled(between(rng, 0, 6)),
         Vec{size, size * between(rng, 0.6f, 0.95f), size * 0.6f}, {7, 10},
         [&](float u, float v) { return c * (0.9f + 0.2f * noise.at(9 * u, 18 * v + i)); });
  }
}

void draw_bark(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng) {
  Noise noise(rng.bits());
  float ridges = between(rng, 3, 6), bulge = between(rng, 0.1f, 0.7f);
  canvas.add(
      pose, {24, 24},
      [&](float u, float v) {
        float x = 5 * u - 2.5f, y = 5 * v - 2.5f;
        return Vec{x, y, 0.25f * noise.rough(ridges * x, 0.9f * y) - bulge * x * x * 0.3f - 0.5f};
      },
      [&](float u, float v) {
        float crack = noise.rough(5 * ridges * u, 4.5f * v + 0.5f * noise.at(9 * u, 9 * v));
        return palette.second * (0.3f + 0.5f * smoothstep(-0.35f, 0.3f, crack));
      });
}

}  // namespace graft::data::meadow
