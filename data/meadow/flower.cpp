#include "data/meadow/flower.h"

namespace graft::data::meadow {

float Outline::at(float u) const {
  if (u < widest) return base + (1 - base) * std::sin(0.5f * kPi * u / widest);
  float beyond = (u - widest) / (1 - widest);
  return tip + (1 - tip) * std::pow(std::max(0.f, 1 - std::pow(beyond, blunt)), point);
}

std::vector<Whorl> layers(int count, const Whorl& outer, const Whorl& inner) {
  std::vector<Whorl> all;
  for (int i = 0; i < count; ++i) {
    float t = count > 1 ? static_cast<float>(i) / static_cast<float>(count - 1) : 0;
    auto blend = [&](float a, float b) { return a + (b - a) * t; };
    Whorl w = outer;
    w.count = static_cast<int>(
        std::lround(blend(static_cast<float>(outer.count), static_cast<float>(inner.count))));
    w.petal.length = blend(outer.petal.length, inner.petal.length);
    w.petal.width = blend(outer.petal.width, inner.petal.width);
    w.ring = blend(outer.ring, inner.ring);
    w.rise = blend(outer.rise, inner.rise);
    w.curl = blend(outer.curl, inner.curl);
    w.cup = blend(outer.cup, inner.cup);
    w.height = blend(outer.height, inner.height);
    w.first = outer.first + 0.5f * static_cast<float>(i % 2) + 0.17f * static_cast<float>(i);
    all.push_back(w);
  }
  return all;
}

std::vector<Whorl> operator+(std::vector<Whorl> a, const std::vector<Whorl>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

namespace {

// A petal's surface, before it is turned to its place around the axis. Its midrib is an arc: the angle of
// rise grows evenly from `rise` at the base to rise + curl at the tip. u runs along the midrib, side from -1
// to 1 across.
Vec petal_point(const Whorl& w, float ruffle_phase, float u, float side) {
  const Petal& p = w.petal;
  float half = p.width * p.outline.at(u);
  float along = u * (1 - p.notch * u * u * u * std::pow(1 - std::abs(side), 1.5f));
  if (p.teeth > 0) along *= 1 - 0.12f * u * u * (0.5f + 0.5f * std::cos(kPi * p.teeth * side));
  float angle = w.rise + w.curl * along;
  float out = along * std::cos(w.rise), up = along * std::sin(w.rise);
  if (std::abs(w.curl) > 1e-3f) {
    out = (std::sin(angle) - std::sin(w.rise)) / w.curl;
    up = (std::cos(w.rise) - std::cos(angle)) / w.curl;
  }
  float lift = half * (w.cup * side * side + w.pitch * side) +
               w.ruffle * u * side * side * std::sin(9 * u + 5 * side + ruffle_phase);
  return {w.ring + p.length * out - lift * std::sin(angle), half * side + w.skew * u * u,
          w.height + p.length * up + lift * std::cos(angle)};
}

void draw_whorl(Canvas& canvas, const Pose& pose, const Whorl& whorl, const Palette& palette, Rng& rng,
                float detail) {
  bool closed = whorl.arc > 6;
  Grid grid{std::max(3, static_cast<int>(7 * detail)), whorl.petal.width > 0.2f || whorl.petal.teeth > 0
                                                           ? std::max(4, static_cast<int>(6 * detail))
                                                           : 2};
  for (int i = 0; i < whorl.count; ++i) {
    Whorl w = whorl;  // no two petals are quite alike
    w.petal.length *= between(rng, 0.93f, 1.05f);
    w.petal.width *= between(rng, 0.93f, 1.06f);
    w.rise += between(rng, -0.06f, 0.06f);
    float steps =
        closed ? static_cast<float>(whorl.count) : std::max(1.f, static_cast<float>(whorl.count - 1));
    float turn = closed ? (i + w.first + between(rng, -0.1f, 0.1f)) * whorl.arc / steps
                        : w.first + (whorl.count > 1 ? (i / steps - 0.5f) * whorl.arc : 0);
    float ruffle_phase = between(rng, 0, 6), tone = between(rng, 0.86f, 1.08f);
    float below = 0.012f * static_cast<float>(i % 3);  // neighbours that lie flat do not cut into each other
    Color base = whorl.part == Part::petal    ? palette.petal
                 : whorl.part == Part::second ? palette.second
                                              : palette.green;
    Color tip = whorl.part == Part::petal ? palette.petal_tip : base;
    bool marked = whorl.part != Part::sepal;
    canvas.add(
        pose.rolled(turn), grid,
        [&](float u, float v) {
          Vec p = petal_point(w, ruffle_phase, u, 2 * v - 1);
          return Vec{p.x, p.y, p.z - below};
        },
        [&](float u, float v) {
          float side = std::abs(2 * v - 1);
          Color c = mix(base, tip, u * u) * tone;
          c = c * (0.55f + 0.45f * smoothstep(0, 0.7f, u));  // the others' shadow at the base
          c = c * (1 - 0.3f * side * side * side);
          if (palette.veins > 0) c = c * (1 - palette.veins * (1 - u) * (0.5f + 0.5f * std::cos(14 * side)));
          if (marked) c = c * (1 - palette.guide * (1 - smoothstep(0.15f, 0.4f, u)));
          return c;
        });
  }
}

// The florets of a disc lie on two families of spirals, as in a sunflower (Vogel, 1979).
void draw_disc(Canvas& canvas, const Pose& pose, const Centre& centre, const Palette& palette) {
  revolve(
      canvas, pose, {6, 14},
      [&](float u) {
        float a = 0.5f * kPi * u;
        return Vec{centre.radius * std::sin(a), 0, 0.02f + centre.height * std::cos(a)};
      },
      [&](float u, float v) {
        float ray = 2 * kPi * v;
        float dots = std::cos(13 * ray + 9 * u) * std::cos(8 * ray - 14 * u);
        return palette.centre * ((0.7f + 0.3f * dots) * (1.1f - 0.5f * u * u));
      });
}

void draw_stamens(Canvas& canvas, const Pose& pose, const Centre& centre, const Palette& palette, Rng& rng) {
  bool brush = centre.kind == Centre::Kind::brush;
  for (int i = 0; i < centre.count; ++i) {
    float ray = 2 * kPi * (i + between(rng, -0.3f, 0.3f)) / centre.count;
    float reach = centre.radius * between(rng, brush ? 0.2f : 0.75f, 1.05f);
    Vec tip{reach * std::cos(ray), reach * std::sin(ray), centre.height * between(rng, 0.85f, 1.1f)};
    Vec across = unit(cross(tip, {0, 0, 1})) * (brush ? 0.025f : 0.02f);
    canvas.add(
        pose, {2, 1},
        [&](float u, float v) {
          return tip * u + across * (2 * v - 1) + Vec{0, 0, 0.02f};
        },
        [&](float u, float) { return mix(palette.green, brush ? palette.second : palette.anther, u); });
    if (brush) continue;
    canvas.add(
        pose.moved(tip), {3, 3},
        [&](float u, float v) {
          float a = kPi * u, b = 2 * kPi * v;
          return Vec{std::sin(a) * std::cos(b), std::sin(a) * std::sin(b), std::cos(a)} * 0.055f;
        },
        [&](float, float) { return palette.anther; });
  }
}

void draw_trumpet(Canvas& canvas, const Pose& pose, const Centre& centre, const Palette& palette) {
  canvas.add(
      pose, {6, 20},
      [&](float u, float v) {
        float flare = 0.75f + 0.35f * u * u * u + (u > 0.9f ? 0.08f * std::cos(2 * kPi * 9 * v) : 0);
        float r = centre.radius * flare;
        return Vec{r * std::cos(2 * kPi * v), r * std::sin(2 * kPi * v), centre.height * u};
      },
      [&](float u, float) { return palette.second * (0.55f + 0.5f * u); });
}

// Directions spread evenly over the sphere's part above `lowest`, along a spiral with the golden angle.
Vec on_sphere(int i, int n, float lowest) {
  float z = 1 - (1 - lowest) * (i + 0.5f) / n, r = std::sqrt(1 - z * z), ray = 2.39996f * i;
  return {r * std::cos(ray), r * std::sin(ray), z};
}

// A pose at `at` whose front looks along `axis`.
Pose facing(const Pose& pose, Vec at, Vec axis) {
  axis = unit(axis);
  Vec right = unit(cross(std::abs(axis.y) < 0.9f ? Vec{0, 1, 0} : Vec{1, 0, 0}, axis));
  Vec up = cross(axis, right);
  return {pose.direction(right), pose.direction(up), pose.direction(axis), pose(at)};
}

}  // namespace

void draw_bloom(Canvas& canvas, const Pose& pose, const Bloom& bloom, const Palette& palette, Rng& rng,
                float detail) {
  for (const Whorl& w : bloom.whorls) draw_whorl(canvas, pose, w, palette, rng, detail);
  switch (bloom.centre.kind) {
    case Centre::Kind::none: break;
    case Centre::Kind::disc: draw_disc(canvas, pose, bloom.centre, palette); break;
    case Centre::Kind::stamens:
    case Centre::Kind::brush: draw_stamens(canvas, pose, bloom.centre, palette, rng); break;
    case Centre::Kind::trumpet: draw_trumpet(canvas, pose, bloom.centre, palette); break;
  }
}

void draw_stem(Canvas& canvas, Vec from, Vec by, Vec to, float radius, Color color) {
  auto curve = [&](float t) { return from * ((1 - t) * (1 - t)) + by * (2 * t * (1 - t)) + to * (t * t); };
  canvas.add(
      Pose{}, {8, 3},
      [&](float u, float v) {
        Vec along = curve(std::min(u + 0.05f, 1.f)) - curve(std::max(u - 0.05f, 0.f));
        Vec across = unit(cross(along, {0, 0, 1}));
        float side = 2 * v - 1;
        return curve(u) + across * (radius * side) + Vec{0, 0, radius * (1 - side * side)};
      },
      [&](float, float v) { return color * (0.75f + 0.4f * v); });
}

void draw_flower(Canvas& canvas, const Pose& pose, const Flower& flower, const Palette& palette, Rng& rng) {
  Vec head = pose.origin, down{between(rng, -0.5f, 0.5f), -2.6f, -0.4f};
  float size = std::sqrt(dot(pose.right, pose.right));
  int n = std::max(3, static_cast<int>(flower.florets * between(rng, 0.85f, 1.15f)));
  float small = flower.floret_size;
  // In a spike or raceme the axis that the florets stand along is the pose's up direction.
  auto along_axis = [&](float t) { return Vec{0.12f * std::sin(2.5f * t), 1.0f - 2.0f * t, 0}; };
  switch (flower.habit) {
    case Habit::single:
      draw_bloom(canvas, pose, flower.bloom, palette, rng);
      draw_stem(canvas, pose({0, 0, -0.05f}), pose({0, 0, -1.1f}), head + down, 0.05f * size + 0.012f,
                palette.green);
      break;
    case Habit::nodding:  // the flower hangs from the top of an arch
      draw_bloom(canvas, pose.tilted(kPi), flower.bloom, palette, rng);
      draw_stem(canvas, pose({0, 0, -0.02f}), pose({0.1f, 0.6f, 0.9f}), head + down + Vec{0.6f, 0, 0},
                0.04f * size, palette.green);
      break;
    case Habit::spike:  // upright, florets all around
      for (int i = 0; i < n; ++i) {
        float t = (i + 0.5f) / n, ray = 2.39996f * i;
        Vec axis{std::sin(ray), 0.35f, std::cos(ray)};
        draw_bloom(canvas, facing(pose, along_axis(t) + axis * 0.1f, axis).scaled(small * (0.55f + 0.6f * t)),
                   flower.bloom, palette, rng, 0.5f);
      }
      draw_stem(canvas, pose(along_axis(0)), pose(along_axis(0.6f)), pose({0, -3, -0.3f}), 0.04f * size,
                palette.green);
      break;
    case Habit::raceme:  // an arching stem, bells hanging from one side
      for (int i = 0; i < n; ++i) {
        float t = (i + 0.3f) / n;
        Vec node{0.75f * (1 - t) * (1 - t) - 0.1f, 0.9f - 1.6f * t, 0.02f * (i % 3)};
        Vec hang{0.28f + 0.2f * (i % 2), -0.2f, 0.15f};
        draw_stem(canvas, pose(node), pose(node + Vec{0.15f, 0.1f, 0}), pose(node + hang), 0.015f * size,
                  palette.green);
        draw_bloom(canvas, facing(pose, node + hang, {0.35f, -1, 0.35f}).scaled(small * (0.6f + 0.5f * t)),
                   flower.bloom, palette, rng, 0.6f);
      }
      draw_stem(canvas, pose({0.65f, 0.95f, 0}), pose({-0.1f, 0.4f, 0}), pose({0, -3, -0.3f}), 0.035f * size,
                palette.green);
      break;
    case Habit::umbel:  // stalks from one point, flowers in a flat dome
      for (int i = 0; i < n; ++i) {
        Vec at = on_sphere(i, n, 0.55f);
        at = {at.x * 1.2f, at.y * 1.2f, at.z * 0.8f - 0.5f};
        draw_bloom(canvas, facing(pose, at, at + Vec{0, 0, 1.2f}).scaled(small), flower.bloom, palette, rng,
                   0.5f);
        draw_stem(canvas, pose({0, 0, -0.9f}), pose(at * 0.5f + Vec{0, 0, -0.4f}), pose(at), 0.014f * size,
                  palette.green);
      }
      draw_stem(canvas, pose({0, 0, -0.9f}), pose({0, 0, -1.6f}), head + down, 0.04f * size, palette.green);
      break;
    case Habit::globe:  // a ball of flowers
      for (int i = 0; i < n; ++i) {
        Vec at = on_sphere(i, n, -0.6f);
        draw_bloom(canvas, facing(pose, at * 0.8f, at).scaled(small), flower.bloom, palette, rng, 0.5f);
      }
      draw_stem(canvas, pose({0, 0, -0.5f}), pose({0, 0, -1.3f}), head + down, 0.045f * size, palette.green);
      break;
  }
}

}  // namespace graft::data::meadow
