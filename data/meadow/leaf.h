// A leaf, by its outline and veins. Lengths are in leaf radii: a leaf reaches from y = -1 to y = 1.
#pragma once

#include "data/meadow/flower.h"

namespace graft::data::meadow {

struct Leaf {
  // blade: one midrib; palm: lobes spread like fingers; pinnate: leaflets in pairs along a stalk; fingers:
  // leaflets from one point.
  enum class Form : uint8_t { blade, palm, pinnate, fingers } form = Form::blade;
  Outline outline{0.4f, 0.05f, 0, 1.6f, 0.8f};
  float width = 0.5f;    // half the width of a blade or leaflet, in its own half lengths
  int lobes = 0;         // of a blade: on each side; of a palm: in all; leaflets: in all
  float lobe_depth = 0;  // 1 cuts down to the midrib
  int teeth = 0;         // on each side
  float tooth_depth = 0;
  float curl = 0;  // how far the tip bends away
};

// Colours of one leaf: the blade and its veins.
struct LeafColors {
  Color blade, vein;
};

void draw_leaf(Canvas& canvas, const Pose& pose, const Leaf& leaf, const LeafColors& colors, Rng& rng,
               float detail = 1);

}  // namespace graft::data::meadow
