// Geometry of pictures: resize, crop, mirror, bit for bit as Pillow and torchvision do it. References:
// Pillow 9.4 (Resample.c, "antialias" resampling in two passes with 8-bit intermediate rows), torchvision
// 0.14 (transforms/functional.py).
#pragma once

#include <string>
#include <string_view>

#include "data/image.h"

namespace graft::data {

enum class Interpolation { nearest, bilinear, bicubic };

std::string to_text(Interpolation interpolation);  // "bilinear"
// Throws UsageError for a name that is none of the three.
Interpolation interpolation_from(std::string_view text);

// A rectangle of pixels; left and top may be negative where padding is meant.
struct Box {
  int64_t left = 0, top = 0, width = 0, height = 0;
  bool operator==(const Box&) const = default;
};

// Equals Image.resize((width, height), ...) of Pillow in every byte. Bilinear and bicubic widen their filter
// when the picture shrinks (antialiasing). Here and below alpha is a channel as the others, resized for
// itself: the colours are those that come without it. (Pillow weighs the colours of an RGBA picture by
// alpha.)
Image resize(const Image& image, int64_t width, int64_t height, Interpolation interpolation);

// The pixels `window` of resize(image, width, height, interpolation), without computing the others: a strip
// of 1 x 16384 whose shorter side becomes 256 would have four million rows, of which a crop needs 224. Each
// side is at most kMaxResized, the window at most kMaxPixels.
inline constexpr int64_t kMaxResized = kMaxSide * kMaxSide;
Image resize_window(const Image& image, int64_t width, int64_t height, const Box& window,
                    Interpolation interpolation);

// The pixels of `box`; those outside of the picture are black, and transparent where the picture has alpha.
Image crop(const Image& image, const Box& box);

// Left and right exchanged.
Image flip_horizontal(const Image& image);

// The sizes that torchvision's resize(side) gives: the shorter side becomes `side`, the longer one is
// truncated.
struct Size {
  int64_t width, height;
  bool operator==(const Size&) const = default;
};
Size shorter_side_to(int64_t side, Size size);

// The box of torchvision's center_crop(side) in a picture of this size: half pixels go to the even neighbour,
// and a picture smaller than the crop is padded, the odd pixel to the right and below.
Box center_box(int64_t side, Size size);

}  // namespace graft::data
