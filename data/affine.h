// Pictures moved, slanted and turned in place, each pixel from its nearest one, bit for bit as Pillow 9.4
// (Geometry.c: positions in steps of 1/65536) and torchvision 0.14 (functional.py: the matrices). What comes
// from outside of the picture is black.
#pragma once

#include "data/image.h"

namespace graft::data {

// The pixel at (x, y) comes from (x + slope y, y), seen from pixels' centres; upright: from (x, y + slope x).
// |slope| <= 1.
Image shear_x(const Image& image, double slope);
Image shear_y(const Image& image, double slope);

// By whole pixels, to the right and down.
Image translate(const Image& image, int64_t right, int64_t down);

// About the middle, counter-clockwise. |degrees| < 90.
Image rotate(const Image& image, double degrees);

}  // namespace graft::data
