// Smooth random texture: value noise (Lewis, "Algorithms for solid noise synthesis", SIGGRAPH 1989).
#pragma once

#include <cstdint>

#include "data/meadow/geometry.h"

namespace graft::data::meadow {

class Noise {
 public:
  explicit Noise(uint32_t seed) : seed_(seed) {}

  // In [-1, 1], smooth at the scale of 1: random values on the whole-numbered grid, blended between.
  float at(float x, float y) const {
    int32_t i = below(x), j = below(y);
    float tx = ease(x - static_cast<float>(i)), ty = ease(y - static_cast<float>(j));
    float low = lattice(i, j) + (lattice(i + 1, j) - lattice(i, j)) * tx;
    float high = lattice(i, j + 1) + (lattice(i + 1, j + 1) - lattice(i, j + 1)) * tx;
    return low + (high - low) * ty;
  }
  // Three octaves: large lumps with smaller ones on them.
  float rough(float x, float y) const {
    return 0.55f * at(x, y) + 0.3f * at(2.1f * x + 7, 2.1f * y) + 0.15f * at(4.3f * x, 4.3f * y + 3);
  }

 private:
  static int32_t below(float x) {
    return static_cast<int32_t>(x) - (x < 0);
  }  // std::floor, which old processors lack
  static float ease(float t) { return t * t * (3 - 2 * t); }
  float lattice(int32_t i, int32_t j) const {  // a hash of the grid point
    uint32_t h = static_cast<uint32_t>(i) * 0x8DA6B343u ^ static_cast<uint32_t>(j) * 0xD8163841u ^ seed_;
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    h = (h ^ (h >> 12)) * 0x297A2D39u;
    return static_cast<float>((h ^ (h >> 15)) >> 8) * 0x1p-23f - 1;
  }
  uint32_t seed_;
};

}  // namespace graft::data::meadow
