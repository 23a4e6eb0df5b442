// RandAugment (Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
// space", 2020): a few operations drawn at random, all at one magnitude. Operations, magnitudes and pixels
// are those of torchvision 0.14's transforms.RandAugment on Pillow's pictures, with its defaults: nearest
// pixels, black from outside.
#pragma once

#include <string_view>

#include "core/rng.h"
#include "data/resize.h"

namespace graft::data {

enum class RandOp : uint8_t {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  color,
  contrast,
  sharpness,
  posterize,
  solarize,
  auto_contrast,
  equalize,
};
inline constexpr int kRandOps = 14;
inline constexpr int kRandMagnitudes = 31;
std::string_view to_text(RandOp op);

// What magnitude 0 <= bin < 31 means for a picture of this size: a slope, pixels, degrees, the part of a
// factor beyond 1, bits, a threshold; 0 where the operation has no strength. In float, as torch.linspace
// computes (there the last bit depends on the processor).
double magnitude_of(RandOp op, int bin, Size size);
// Whether the magnitude is turned round half of the time.
bool is_signed(RandOp op);
Image apply(RandOp op, const Image& image, double magnitude);

// `ops` operations one after the other, each drawn anew.
Image rand_augment(const Image& image, int64_t ops, int64_t bin, Rng& rng);

}  // namespace graft::data
