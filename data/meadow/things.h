// What else is found in a meadow: fruits, fungi, seed heads, and the ground itself.
#pragma once

#include "data/meadow/leaf.h"

namespace graft::data::meadow {

// Draws one thing at the pose, about one unit in radius.
using Thing = void (*)(Canvas&, const Pose&, const Palette&, Rng&);

void draw_mushroom(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_spotted_mushroom(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_shelf_fungus(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_berries(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_bramble(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_cone(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_acorn(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_poppy_capsule(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_wheat(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_reed_mace(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_grass(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_pebbles(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);
void draw_bark(Canvas& canvas, const Pose& pose, const Palette& palette, Rng& rng);

}  // namespace graft::data::meadow
