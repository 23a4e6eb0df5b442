// Brightness, colour, contrast and what else changes a picture's values in place, bit for bit as Pillow 9.4
// (ImageEnhance and ImageOps in Python; Blend.c, Filter.c, Convert.c).
#pragma once

#include "data/image.h"

namespace graft::data {

// These four go from a plain version of the picture (factor 0) through the picture itself (factor 1) and
// beyond; results are cut off at 0 and 255, and fractions dropped. Plain is, in this order: black, grey (the
// same lightness), the mean lightness everywhere, smooth (each pixel 5/13 and its eight neighbours 1/13 each;
// the border stays).
Image adjust_brightness(const Image& image, double factor);
Image adjust_color(const Image& image, double factor);
Image adjust_contrast(const Image& image, double factor);
Image adjust_sharpness(const Image& image, double factor);

// Keeps the upper `bits` of each value, 0 to 8.
Image posterize(const Image& image, int bits);
// Inverts values that are `threshold` or above.
Image solarize(const Image& image, double threshold);
// Stretches each channel, so that its darkest value becomes 0 and its lightest 255.
Image auto_contrast(const Image& image);
// Spreads each channel's values so that all are about equally frequent.
Image equalize(const Image& image);

}  // namespace graft::data
