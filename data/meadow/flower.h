// A flower, described by the words of a flora: whorls of petals around a centre, alone on a stem or many
// together. Lengths are in flower radii, angles in radians. The flower's axis is its z, so z = 0 is the plane
// that petals lie in when the flower is fully open and flat.
#pragma once

#include <vector>

#include "core/rng.h"
#include "data/meadow/canvas.h"

namespace graft::data::meadow {

// Half the width of a petal or leaf along its length, as a share of the largest.
struct Outline {
  float widest = 0.6f;  // where, 0 at the base, 1 at the tip
  float base = 0.2f;    // the width at the base
  float tip = 0;        // the width at the tip
  float blunt = 2;      // 1 narrows evenly beyond the widest point, 4 keeps its width almost to the tip
  float point = 0.5f;   // 0.5 a rounded tip, 1 a pointed one, 2 drawn out into a bristle
  float at(float u) const;
};

struct Petal {
  Outline outline{};
  float length = 1, width = 0.3f;  // half the width
  float notch = 0;                 // depth of the cleft in the tip, as in a heart
  int teeth = 0;                   // of a fringed tip
};

enum class Part : uint8_t { petal, second, sepal };  // which of the palette's colours

// Petals that stand around the axis at the same height.
struct Whorl {
  int count = 5;
  Petal petal{};
  float ring = 0.12f;   // distance of the bases from the axis
  float rise = 0;       // 0 flat, pi / 2 upright, negative hangs back
  float curl = 0;       // how much more it rises at the tip than at the base
  float cup = 0;        // how far the sides bend up
  float pitch = 0.15f;  // each petal turned like a propeller's blade, one edge over the next one's
  float skew = 0;       // bent sideways, as in a pinwheel
  float ruffle = 0;     // waves in the edge
  float first = 0;      // angle of the first petal, in steps from petal to petal
  float arc = 2 * kPi;  // the petals share this much of it (less: a flower with an upper and a lower side)
  float height = 0;     // of the bases above z = 0
  Part part = Part::petal;
};

// The same whorl again and again from the outer to the inner one, each turned half a step.
std::vector<Whorl> layers(int count, const Whorl& outer, const Whorl& inner);
std::vector<Whorl> operator+(std::vector<Whorl> a, const std::vector<Whorl>& b);

struct Centre {
  enum class Kind : uint8_t { none, disc, stamens, trumpet, brush } kind = Kind::none;
  float radius = 0.25f;
  float height = 0.1f;
  int count = 12;  // stamens, or hairs of a brush
};

struct Bloom {
  std::vector<Whorl> whorls{};
  Centre centre{};
};

// How the flowers of a plant stand together.
enum class Habit : uint8_t { single, nodding, spike, raceme, umbel, globe };

struct Flower {
  Bloom bloom{};
  Habit habit = Habit::single;
  int florets = 1;
  float floret_size = 1;
  float tilt_from = 0, tilt_to = 1.05f;  // angles between the flower's axis and the line of sight
};

struct Palette {
  Color petal, petal_tip, second, centre, anther, green;
  float veins = 0;  // strength of the lines along a petal
  float guide = 0;  // strength of the dark mark at the petals' base
};

void draw_bloom(Canvas& canvas, const Pose& pose, const Bloom& bloom, const Palette& palette, Rng& rng,
                float detail = 1);
// The whole plant: its flowers at the pose, with their stem running down out of the picture.
void draw_flower(Canvas& canvas, const Pose& pose, const Flower& flower, const Palette& palette, Rng& rng);
// A round stem along the curve from `from` by `by` to `to` (a quadratic Bezier curve).
void draw_stem(Canvas& canvas, Vec from, Vec by, Vec to, float radius, Color color);
// A solid of revolution about the pose's front axis: profile(u) -> {radius, 0, height}.
template <class Profile, class Paint>
void revolve(Canvas& canvas, const Pose& pose, Grid grid, const Profile& profile, const Paint& color,
             Vec scale = {1, 1, 1}) {
  canvas.add(
      pose, grid,
      [&](float u, float v) {
        Vec p = profile(u);
        return scale * Vec{p.x * std::cos(2 * kPi * v), p.x * std::sin(2 * kPi * v), p.z};
      },
      color);
}

// Uniform between two values.
inline float between(Rng& rng, float low, float high) {
  return low + (high - low) * rng.uniform();
}

}  // namespace graft::data::meadow
