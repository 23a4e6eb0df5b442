// One picture: background, other plants, the subject, what stands before it, and the light.
#include "core/error.h"
#include "data/meadow/meadow.h"
#include "data/meadow/noise.h"
#include "data/meadow/species.h"

namespace graft::data::meadow {

namespace {

// Hue in turns, saturation and value in [0, 1]; the result is linear light (gamma 2).
Color hsv(float hue, float saturation, float value) {
  auto channel = [&](float shift) {
    float h = hue + shift;
    float ramp = std::clamp(std::abs(6 * (h - std::floor(h)) - 3) - 1, 0.f, 1.f);
    float c = value * (1 - saturation + saturation * ramp);
    return c * c;
  };
  return {channel(0), channel(2.f / 3), channel(1.f / 3)};
}

// Any colour that petals have: all hues but green, from white to deep.
Color petal_color(Rng& rng) {
  float hue = between(rng, 0.48f, 1.2f);
  float saturation = rng.below(4) == 0 ? between(rng, 0, 0.15f) : between(rng, 0.3f, 0.95f);
  return hsv(hue, saturation, between(rng, 0.6f, 1));
}

Color leaf_color(Rng& rng) {
  if (rng.below(5) == 0)
    return hsv(between(rng, 0.02f, 0.16f), between(rng, 0.5f, 0.9f), between(rng, 0.4f, 0.9f));  // autumn
  return hsv(between(rng, 0.2f, 0.42f), between(rng, 0.3f, 0.85f), between(rng, 0.3f, 0.8f));
}

Palette random_palette(Rng& rng) {
  Palette p;
  p.petal = petal_color(rng);
  p.petal_tip = rng.below(2) == 0 ? p.petal : mix(p.petal, petal_color(rng), between(rng, 0.2f, 0.8f));
  p.second = rng.below(2) == 0 ? mix(p.petal, petal_color(rng), 0.5f) : petal_color(rng);
  const Color centres[] = {hsv(0.14f, 0.8f, 0.9f), hsv(0.08f, 0.7f, 0.45f), hsv(0.25f, 0.6f, 0.6f),
                           hsv(0.75f, 0.4f, 0.25f), hsv(0.13f, 0.2f, 0.95f)};
  p.centre = centres[rng.below(5)] * between(rng, 0.7f, 1.1f);
  p.anther = centres[rng.below(5)];
  p.green = hsv(between(rng, 0.2f, 0.4f), between(rng, 0.3f, 0.8f), between(rng, 0.35f, 0.75f));
  p.veins = rng.below(3) == 0 ? between(rng, 0.1f, 0.45f) : 0;
  p.guide = rng.below(4) == 0 ? between(rng, 0.3f, 0.8f) : 0;
  return p;
}

Light random_light(Rng& rng) {
  float ray = between(rng, 0, 2 * kPi), height = between(rng, 0.35f, 0.95f),
        flat = std::sqrt(1 - height * height);
  float strength = between(rng, 0.35f, 0.9f);
  Light light;
  light.from = {flat * std::cos(ray), flat * std::sin(ray), height};
  light.sun = Color{1, between(rng, 0.85f, 1), between(rng, 0.65f, 1)} * strength;
  light.shade = Color{between(rng, 0.85f, 1), 0.95f, 1} * (1.05f - 0.75f * strength);
  return light;
}

void draw_backdrop(Canvas& canvas, Rng& rng) {
  Noise noise(rng.bits());
  Color low, high;
  switch (rng.below(5)) {
    case 0:
      low = leaf_color(rng) * 0.5f;
      high = leaf_color(rng);
      break;  // foliage
    case 1:
      low = hsv(0.08f, between(rng, 0.2f, 0.6f), 0.25f);
      high = low * between(rng, 1.5f, 3);
      break;  // soil
    case 2:
      low = leaf_color(rng);
      high = hsv(0.58f, between(rng, 0.1f, 0.6f), 0.95f);
      break;  // grass and sky
    case 3:
      low = Color{1, 1, 1} * between(rng, 0.05f, 0.5f);
      high = low * between(rng, 1.2f, 2);
      break;  // stone
    default:
      low = petal_color(rng) * 0.5f;
      high = leaf_color(rng);
      break;  // others in bloom
  }
  float turn = between(rng, -0.6f, 0.6f), coarse = between(rng, 1.5f, 9), ramp = between(rng, 0, 1);
  canvas.backdrop([&](float x, float y) {
    float t = 0.5f + 0.5f * ramp * (y + turn * x) + 0.75f * noise.rough(coarse * x, coarse * y);
    return mix(low, high, std::clamp(t, 0.f, 1.f));
  });
}

Pose random_pose(Rng& rng, float reach, float size) {
  Pose pose = Pose{}.moved({between(rng, -reach, reach), between(rng, -reach, reach), 0});
  return pose.rolled(between(rng, -kPi, kPi))
      .swung(between(rng, -0.9f, 0.9f))
      .tilted(between(rng, -0.9f, 0.9f))
      .scaled(size);
}

void draw_species(Canvas& canvas, const Pose& pose, const Species& species, Rng& rng) {
  Palette palette = random_palette(rng);
  if (const auto* flower = std::get_if<Flower>(&species.form)) {
    draw_flower(canvas, pose.tilted(between(rng, flower->tilt_from, flower->tilt_to)), *flower, palette, rng);
  } else if (const auto* leaf = std::get_if<Leaf>(&species.form)) {
    Color blade = leaf_color(rng);
    Color vein = blade * (rng.below(3) == 0 ? between(rng, 0.4f, 0.8f) : between(rng, 1.2f, 2.2f));
    draw_leaf(canvas, pose.tilted(between(rng, -0.8f, 0.8f)), *leaf, {blade, vein}, rng);
  } else {
    std::get<Thing>(species.form)(canvas, pose.tilted(between(rng, -0.3f, 0.5f)), palette, rng);
  }
}

// Any leaf, blade of grass, stem or flower that happens to stand there.
void draw_neighbour(Canvas& canvas, Rng& rng, float depth, float size) {
  Pose pose = random_pose(rng, 1.1f, size).moved({0, 0, 0});
  pose.origin.z = depth;
  const std::vector<Species>& flora = pretraining_species();
  switch (rng.below(5)) {
    case 0: {
      Vec foot{between(rng, -1.2f, 1.2f), -1.2f, depth},
          top{between(rng, -1.2f, 1.2f), between(rng, -0.2f, 1.3f), depth};
      draw_stem(canvas, top, mix(foot, top, 0.5f) + Vec{between(rng, -0.5f, 0.5f), 0.2f, 0}, foot,
                between(rng, 0.01f, 0.06f), leaf_color(rng));
      break;
    }
    case 1: {  // a flower's head, without its stem
      const Species& other = flora[rng.below(static_cast<uint32_t>(flora.size()))];
      const auto* flower = std::get_if<Flower>(&other.form);
      if (flower && flower->habit == Habit::single) {
        draw_bloom(canvas, pose.scaled(0.45f), flower->bloom, random_palette(rng), rng, 0.5f);
        break;
      }
      [[fallthrough]];
    }
    default: {
      Leaf leaf;
      leaf.width = between(rng, 0.12f, 0.7f);
      leaf.outline.widest = between(rng, 0.2f, 0.7f);
      leaf.teeth = rng.below(3) == 0 ? 6 : 0;
      leaf.tooth_depth = 0.25f;
      Color blade = leaf_color(rng);
      draw_leaf(canvas, pose, leaf, {blade, blade * between(rng, 0.6f, 1.8f)}, rng, 0.5f);
    }
  }
}

// Shadows of leaves overhead, the camera's white balance, exposure and contrast, haze, and the sensor's
// noise.
void develop(Canvas& canvas, Rng& rng) {
  Noise shadow(rng.bits()), grain(rng.bits());
  float dapple = rng.below(2) == 0 ? between(rng, 0.2f, 0.55f) : 0, scale = between(rng, 0.8f, 3),
        edge = between(rng, -0.3f, 0.3f);
  Color balance{between(rng, 0.75f, 1.25f), between(rng, 0.88f, 1.12f), between(rng, 0.7f, 1.3f)};
  float exposure = std::exp2(between(rng, -0.6f, 0.6f)), contrast = between(rng, -0.4f, 0.7f);
  float haze = rng.below(4) == 0 ? between(rng, 0, 0.2f) : 0, noise = between(rng, 0, 0.1f),
        grey = between(rng, 0, 0.5f);
  Color mist = Color{0.7f, 0.75f, 0.8f} * between(rng, 0.5f, 1);
  canvas.develop([&](float x, float y, Color c) {
    c = c * balance * exposure;
    c = c * (1 - dapple * smoothstep(-0.08f, 0.08f, shadow.at(scale * x, scale * y) - edge));
    c = mix(c, Color{1, 1, 1} * dot(c, {0.3f, 0.6f, 0.1f}), grey);
    c = mix(c, mist, haze);
    float speck = 1 + noise * grain.at(61 * x, 61 * y);
    auto tone = [&](float v) {  // an S-shaped curve, or a flattened one
      v = std::clamp(v, 0.f, 1.f);
      return (v + contrast * v * (1 - v) * (2 * v - 0.6f)) * speck;
    };
    return Color{tone(c.x), tone(c.y), tone(c.z)};
  });
}

const std::vector<Species>& species_of(Flora flora) {
  return flora == Flora::demo ? demo_species() : pretraining_species();
}

}  // namespace

std::vector<std::string> species_names(Flora flora) {
  std::vector<std::string> names;
  for (const Species& s : species_of(flora)) names.push_back(s.name);
  return names;
}

Image draw(Flora flora, int64_t label, uint64_t seed, uint64_t index, int64_t size) {
  const std::vector<Species>& list = species_of(flora);
  GRAFT_CHECK_AS(UsageError, label >= 0 && label < static_cast<int64_t>(list.size()), "meadow: no species ",
                 label, "; there are ", list.size());
  Rng rng(seed, (flora == Flora::demo ? 1000 : 0) + static_cast<uint64_t>(label), index);
  Canvas canvas(size, size > kPictureSize ? 3 : 2);
  canvas.light = random_light(rng);

  draw_backdrop(canvas, rng);
  for (int behind = 5 + static_cast<int>(rng.below(9)); behind > 0; --behind) {
    draw_neighbour(canvas, rng, between(rng, -2.5f, -1.5f), between(rng, 0.25f, 0.8f));
  }
  if (rng.below(3) > 0) canvas.blur(between(rng, 0.01f, 0.1f));

  canvas.next_layer();
  for (int beside = static_cast<int>(rng.below(4)); beside > 0; --beside) {
    draw_neighbour(canvas, rng, -1.2f, between(rng, 0.2f, 0.5f));
  }
  float big = between(rng, 0.6f, 0.95f), off = 0.95f - 0.8f * big;
  Pose pose = Pose{}.moved({between(rng, -off, off), between(rng, -off, off), 0});
  pose = pose.rolled(between(rng, -1.6f, 1.6f)).swung(between(rng, -0.5f, 0.5f)).scaled(big);
  draw_species(canvas, pose, list[static_cast<size_t>(label)], rng);

  canvas.next_layer();
  for (int before = static_cast<int>(rng.below(3)); before > 0; --before) {
    Vec foot{between(rng, -1, 1), -1.1f, 1}, top{between(rng, -1.1f, 1.1f), between(rng, -0.4f, 1.2f), 1};
    draw_stem(canvas, top, mix(foot, top, 0.5f) + Vec{between(rng, -0.4f, 0.4f), 0, 0}, foot,
              between(rng, 0.015f, 0.05f), leaf_color(rng));
  }
  canvas.resolve();
  develop(canvas, rng);
  if (rng.below(8) == 0) canvas.blur(0.03f);
  Image picture(size, size);
  picture.rgb = canvas.rgb();
  return picture;
}

}  // namespace graft::data::meadow
