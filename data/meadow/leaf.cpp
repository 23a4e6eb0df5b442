#include "data/meadow/leaf.h"

namespace graft::data::meadow {

namespace {

// Light lines: a midrib, and side veins that run forward from it.
float vein(float along, float side, int pairs) {
  float midrib = 1 - smoothstep(0.02f, 0.09f, std::abs(side));
  float forward = std::cos(kPi * 2 * pairs * (along - 0.25f * std::abs(side)));
  return std::max(midrib, 0.7f * smoothstep(0.75f, 1, forward));
}

// A triangle wave, 0 at whole numbers and 1 halfway between them.
float wave(float x) {
  return 1 - std::abs(2 * (x - std::floor(x)) - 1);
}

void draw_blade(Canvas& canvas, const Pose& pose, const Leaf& leaf, const LeafColors& colors, Rng& rng,
                float detail) {
  float bend = between(rng, -0.25f, 0.25f), fold = between(rng, 0.05f, 0.35f),
        curl = leaf.curl + between(rng, -0.2f, 0.3f);
  float tone = between(rng, 0.85f, 1.1f);
  int cuts = std::max(leaf.teeth, leaf.lobes * 3);
  Grid grid{static_cast<int>(detail * static_cast<float>(std::max(10, 3 * cuts))), 4};
  canvas.add(
      pose, grid,
      [&](float u, float v) {
        float side = 2 * v - 1, half = leaf.width * leaf.outline.at(u);
        if (leaf.lobes > 0) half *= 1 - leaf.lobe_depth * (0.5f + 0.5f * std::cos(2 * kPi * leaf.lobes * u));
        if (leaf.teeth > 0) half *= 1 - leaf.tooth_depth * (1 - wave(leaf.teeth * u));
        float x = half * side + bend * u * u;
        return Vec{x, 2 * u - 1, fold * std::abs(half * side) - curl * u * u};
      },
      [&](float u, float v) {
        float side = 2 * v - 1;
        return mix(colors.blade, colors.vein, 0.55f * vein(u, side, 6)) * (tone * (1 - 0.15f * side * side));
      });
}

void draw_palm(Canvas& canvas, const Pose& pose, const Leaf& leaf, const LeafColors& colors, Rng& rng,
               float detail) {
  float dish = between(rng, -0.3f, 0.3f), tone = between(rng, 0.85f, 1.1f);
  auto steps = static_cast<float>(leaf.lobes);
  canvas.add(
      pose, {5, static_cast<int>(detail * 60)},
      [&](float u, float v) {
        // v runs around, from the stalk's notch at the bottom and back to it; lobes are longest at the top.
        float ray = 2 * kPi * (v - 0.5f);
        float lobe = wave(steps * v);
        float reach = (1 - leaf.lobe_depth * (1 - std::pow(lobe, leaf.outline.point * 2)));
        reach *= 0.72f + 0.28f * std::cos(0.5f * ray);
        if (leaf.teeth > 0) reach *= 1 - leaf.tooth_depth * (1 - wave(leaf.teeth * steps * v));
        reach *= 1 - (1 - leaf.outline.base) * smoothstep(0.42f, 0.5f, std::abs(v - 0.5f));
        float r = u * reach;
        return Vec{r * std::sin(ray) * leaf.width * 2, r * std::cos(ray) * 1.1f - 0.15f, dish * r * r};
      },
      [&](float u, float v) {
        float rib = smoothstep(0.72f, 1, wave(steps * v));
        return mix(colors.blade, colors.vein, 0.6f * rib * (1 - 0.5f * u)) * tone;
      });
  draw_stem(canvas, pose({0, -0.15f, 0}), pose({0, -0.8f, 0}), pose({0.15f, -1.6f, -0.2f}),
            0.04f * std::sqrt(dot(pose.right, pose.right)), colors.vein);
}

}  // namespace

void draw_leaf(Canvas& canvas, const Pose& pose, const Leaf& leaf, const LeafColors& colors, Rng& rng,
               float detail) {
  float size = std::sqrt(dot(pose.right, pose.right));
  Leaf leaflet = leaf;
  leaflet.form = Leaf::Form::blade;
  leaflet.lobes = 0;
  switch (leaf.form) {
    case Leaf::Form::blade:
      draw_blade(canvas, pose, leaf, colors, rng, detail);
      draw_stem(canvas, pose({0, -0.95f, 0}), pose({0, -1.2f, 0}), pose({0.1f, -1.7f, -0.1f}), 0.035f * size,
                colors.vein);
      break;
    case Leaf::Form::palm: draw_palm(canvas, pose, leaf, colors, rng, detail); break;
    case Leaf::Form::pinnate: {
      int pairs = leaf.lobes;
      for (int i = 0; i < 2 * pairs; ++i) {
        int pair = i / 2;
        float t = (static_cast<float>(pair) + 0.5f) / static_cast<float>(pairs),
              side = i % 2 == 0 ? 1.f : -1.f;
        float reach = 0.62f * std::sin(kPi * (0.22f + 0.72f * t));
        Pose at = pose.moved({0, 1.8f * t - 0.9f, 0}).rolled(-side * between(rng, 0.85f, 1.15f));
        draw_blade(canvas, at.scaled(0.5f * reach).moved({0, 1, 0}), leaflet, colors, rng, 0.5f * detail);
      }
      draw_blade(canvas, pose.moved({0, 0.95f, 0}).scaled(0.25f), leaflet, colors, rng, 0.5f * detail);
      draw_stem(canvas, pose({0, 0.9f, 0}), pose({0.05f, -0.3f, 0}), pose({0, -1.7f, -0.1f}), 0.03f * size,
                colors.vein);
      break;
    }
    case Leaf::Form::fingers:
      for (int i = 0; i < leaf.lobes; ++i) {
        float spread = leaf.lobes < 5 ? 2 * kPi : 1.45f * kPi;
        float turn = leaf.lobes < 5
                         ? spread * i / leaf.lobes
                         : spread * (static_cast<float>(i) / static_cast<float>(leaf.lobes - 1) - 0.5f);
        Pose at = pose.moved({0, -0.1f, 0}).rolled(turn + between(rng, -0.08f, 0.08f));
        draw_blade(canvas, at.scaled(0.48f * (0.75f + 0.25f * std::cos(turn))).moved({0, 1, 0}), leaflet,
                   colors, rng, 0.6f * detail);
      }
      draw_stem(canvas, pose({0, -0.1f, -0.02f}), pose({0, -0.8f, 0}), pose({0.2f, -1.7f, -0.2f}),
                0.04f * size, colors.vein);
      break;
  }
}

}  // namespace graft::data::meadow
