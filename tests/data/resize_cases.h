// The pictures of tests/golden/resize.py, which says what they are.
#pragma once

#include <cstdint>

#include "data/image.h"

namespace graft::test {

inline uint64_t number(int64_t of_case, int64_t i) {
  uint64_t z = ((static_cast<uint64_t>(of_case + 1) << 32) + static_cast<uint64_t>(i)) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 29)) * 0xBF58476D1CE4E5B9;
  return z ^ (z >> 32);
}

inline data::Image case_picture(int64_t i, int64_t width, int64_t height) {
  data::Image image(width, height);
  for (int64_t k = 0; k < static_cast<int64_t>(image.rgb.size()); ++k) {
    auto value = static_cast<uint8_t>(number(i, 8 + k) >> 56);
    if (i % 3 == 1) value = value >> 7 ? 255 : 0;
    if (i % 3 == 2) value = static_cast<uint8_t>(k * (i % 7 + 1) / 3 % 256);
    image.rgb[static_cast<size_t>(k)] = value;
  }
  return image;
}

}  // namespace graft::test
