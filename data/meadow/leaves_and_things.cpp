#include "data/meadow/species.h"

namespace graft::data::meadow {

std::vector<Species> leaves_and_things() {
  using Form = Leaf::Form;
  return {
      // clang-format off
      {"ash_leaf",
         Leaf{.form = Form::pinnate, .outline = {0.4f, 0.1f, 0, 1.6f, 0.8f}, .width = 0.4f, .lobes = 5,
           .teeth = 6, .tooth_depth = 0.15f}},
      {"chestnut_leaf",
         Leaf{.form = Form::fingers, .outline = {0.65f, 0.1f, 0, 1.8f, 0.8f}, .width = 0.38f, .lobes = 7}},
      {"clover_leaf",
         Leaf{.form = Form::fingers, .outline = {0.6f, 0.15f, 0.3f, 3, 0.5f}, .width = 0.75f, .lobes = 3}},
      {"fern",
         Leaf{.form = Form::pinnate, .outline = {0.2f, 0.6f, 0, 1.2f, 0.9f}, .width = 0.22f, .lobes = 11,
           .teeth = 7, .tooth_depth = 0.5f}},
      {"holly_leaf",
         Leaf{.outline = {0.45f, 0.1f, 0, 1.6f, 0.8f}, .width = 0.6f, .teeth = 5, .tooth_depth = 0.5f}},
      {"ivy_leaf",
         Leaf{.form = Form::palm, .outline = {0.5f, 0.6f, 0, 2, 0.6f}, .width = 0.5f, .lobes = 5,
           .lobe_depth = 0.35f}},
      {"linden_leaf",
         Leaf{.outline = {0.25f, 0.35f, 0, 1.4f, 0.9f}, .width = 0.8f, .teeth = 14, .tooth_depth = 0.12f}},
      {"maple_leaf",
         Leaf{.form = Form::palm, .outline = {0.5f, 0.5f, 0, 2, 0.7f}, .width = 0.55f, .lobes = 5,
           .lobe_depth = 0.6f, .teeth = 3, .tooth_depth = 0.2f}},
      {"nettle_leaf",
         Leaf{.outline = {0.3f, 0.3f, 0, 1.2f, 1.0f}, .width = 0.5f, .teeth = 10, .tooth_depth = 0.35f}},
      {"oak_leaf",
         Leaf{.outline = {0.65f, 0.15f, 0.2f, 2.5f, 0.5f}, .width = 0.6f, .lobes = 4, .lobe_depth = 0.5f}},
      {"willow_leaf", Leaf{.outline = {0.4f, 0.1f, 0, 1.4f, 1.0f}, .width = 0.17f}},
      {"acorn", draw_acorn},
      {"bark", draw_bark},
      {"berries", draw_berries},
      {"bramble", draw_bramble},
      {"cone", draw_cone},
      {"grass", draw_grass},
      {"mushroom", draw_mushroom},
      {"pebbles", draw_pebbles},
      {"poppy_capsule", draw_poppy_capsule},
      {"reed_mace", draw_reed_mace},
      {"shelf_fungus", draw_shelf_fungus},
      {"spotted_mushroom", draw_spotted_mushroom},
      {"wheat", draw_wheat},
      // clang-format on
  };
}

}  // namespace graft::data::meadow
