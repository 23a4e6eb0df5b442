#include "data/rand_augment.h"

#include <array>
#include <cmath>

#include "core/error.h"
#include "data/affine.h"
#include "data/tone.h"

namespace graft::data {
namespace {

// Number `bin` of 31 in equal steps, counted from the nearer end.
double in_steps(double from, double to, int bin) {
  auto first = static_cast<float>(from), last = static_cast<float>(to);
  float step = (last - first) / static_cast<float>(kRandMagnitudes - 1);
  if (bin < kRandMagnitudes / 2) return static_cast<double>(first + step * static_cast<float>(bin));
  return static_cast<double>(last - step * static_cast<float>(kRandMagnitudes - 1 - bin));
}

}  // namespace

std::string_view to_text(RandOp op) {
  constexpr std::array<std::string_view, kRandOps> kNames = {
      "identity", "shear_x",  "shear_y",   "translate_x", "translate_y", "rotate",        "brightness",
      "color",    "contrast", "sharpness", "posterize",   "solarize",    "auto_contrast", "equalize"};
  return kNames[static_cast<size_t>(op)];
}

double magnitude_of(RandOp op, int bin, Size size) {
  GRAFT_CHECK(bin >= 0 && bin < kRandMagnitudes, "RandAugment: magnitude ", bin, " is not between 0 and ",
              kRandMagnitudes - 1);
  switch (op) {
    case RandOp::shear_x:
    case RandOp::shear_y: return in_steps(0, 0.3, bin);
    case RandOp::translate_x: return in_steps(0, 150.0 / 331.0 * static_cast<double>(size.width), bin);
    case RandOp::translate_y: return in_steps(0, 150.0 / 331.0 * static_cast<double>(size.height), bin);
    case RandOp::rotate: return in_steps(0, 30, bin);
    case RandOp::brightness:
    case RandOp::color:
    case RandOp::contrast:
    case RandOp::sharpness: return in_steps(0, 0.9, bin);
    case RandOp::posterize:  // 8 bits down to 4
      return 8 - std::nearbyint(static_cast<double>(bin) / ((kRandMagnitudes - 1) / 4.0));
    case RandOp::solarize: return in_steps(255, 0, bin);
    case RandOp::identity:
    case RandOp::auto_contrast:
    case RandOp::equalize: break;
  }
  return 0;
}

bool is_signed(RandOp op) {
  return op >= RandOp::shear_x && op <= RandOp::sharpness;
}

Image apply(RandOp op, const Image& image, double magnitude) {
  switch (op) {
    case RandOp::identity: return image;
    case RandOp::shear_x: return shear_x(image, magnitude);
    case RandOp::shear_y: return shear_y(image, magnitude);
    case RandOp::translate_x: return translate(image, static_cast<int64_t>(magnitude), 0);
    case RandOp::translate_y: return translate(image, 0, static_cast<int64_t>(magnitude));
    case RandOp::rotate: return rotate(image, magnitude);
    case RandOp::brightness: return adjust_brightness(image, 1 + magnitude);
    case RandOp::color: return adjust_color(image, 1 + magnitude);
    case RandOp::contrast: return adjust_contrast(image, 1 + magnitude);
    case RandOp::sharpness: return adjust_sharpness(image, 1 + magnitude);
    case RandOp::posterize: return posterize(image, static_cast<int>(magnitude));
    case RandOp::solarize: return solarize(image, magnitude);
    case RandOp::auto_contrast: return auto_contrast(image);
    case RandOp::equalize: return equalize(image);
  }
  return image;
}

Image rand_augment(const Image& image, int64_t ops, int64_t bin, Rng& rng) {
  Image out = image;
  for (int64_t i = 0; i < ops; ++i) {
    auto op = static_cast<RandOp>(rng.below(kRandOps));
    double magnitude = magnitude_of(op, static_cast<int>(bin), {out.width, out.height});
    if (is_signed(op) && rng.bits() % 2 == 1) magnitude = -magnitude;
    out = apply(op, out, magnitude);
  }
  return out;
}

}  // namespace graft::data
