#include "data/transform.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/erase.h"
#include "data/rand_augment.h"

namespace graft::data {
namespace {

void check_channels(int64_t channels) {
  GRAFT_CHECK_AS(DataError, channels == 1 || channels == 3 || channels == 4, "preprocess: pictures of ",
                 channels, " channels; there are 1 (grey), 3 and 4 (with alpha)");
}

void check(const Preprocess& p) {
  GRAFT_CHECK_AS(DataError, p.resize >= 0 && p.resize <= kMaxSide, "preprocess: resize ", p.resize,
                 " is not between 0 and ", kMaxSide);
  GRAFT_CHECK_AS(DataError, p.crop >= 1 && p.crop <= 4096, "preprocess: crop ", p.crop,
                 " is not between 1 and 4096");
  GRAFT_CHECK_AS(DataError, !p.squash || p.resize == p.crop, "preprocess: squashes to ", p.resize,
                 " pixels, but the input has ", p.crop);
  check_channels(p.channels);
  for (size_t c = 0; c < static_cast<size_t>(p.channels); ++c) {
    GRAFT_CHECK_AS(DataError, std::isfinite(p.mean[c]), "preprocess: mean of channel ", c, " is not finite");
    GRAFT_CHECK_AS(DataError, std::isfinite(p.std[c]) && p.std[c] > 0, "preprocess: std of channel ", c,
                   " is ", p.std[c], ", must be above 0");
  }
}

// ((byte / 255) - mean) / std in float, as ToTensor and Normalize round it, for every byte of a channel.
using Normaliser = std::array<float, 256>;
Normaliser normaliser(const Preprocess& p, size_t channel) {
  Normaliser value;
  for (size_t byte = 0; byte < 256; ++byte) {
    float x = static_cast<float>(byte) / 255.0f;
    x = x - p.mean[channel];
    value[byte] = x / p.std[channel];
  }
  return value;
}

// Every planes-th number of `out` from f(pixel, its number), row by row.
template <class F>
void fill_plane(const Image& image, int64_t planes, bool mirror, float* out, F&& f) {
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x, out += planes) {
      int64_t i = y * image.width + (mirror ? image.width - 1 - x : x);
      *out = f(image.rgb.data() + 3 * i, static_cast<size_t>(i));
    }
  }
}

void normalise(const Image& image, const Preprocess& p, bool mirror, float* out) {
  const int64_t planes = p.planes();
  if (p.channels == 1) {
    const Normaliser table = normaliser(p, 0);
    fill_plane(image, planes, mirror, out,
               [&](const uint8_t* pixel, size_t) { return table[grey_of(pixel)]; });
  } else {
    for (size_t c = 0; c < 3; ++c) {
      const Normaliser table = normaliser(p, c);
      fill_plane(image, planes, mirror, out + c,
                 [&](const uint8_t* pixel, size_t) { return table[pixel[c]]; });
    }
  }
  if (p.channels == 4) {
    const Normaliser table = normaliser(p, 3);
    fill_plane(image, planes, mirror, out + 3,
               [&](const uint8_t*, size_t i) { return table[image.alpha.empty() ? 255 : image.alpha[i]]; });
  }
  if (p.inside)
    fill_plane(image, planes, mirror, out + p.channels, [](const uint8_t*, size_t) { return 1.0f; });
}

// The evaluation's pixels: resized and cropped, computing no pixel that the crop drops.
Image middle(const Image& image, const Preprocess& p) {
  if (p.squash) return resize(image, p.crop, p.crop, p.interpolation);
  Size size{image.width, image.height};
  if (p.resize > 0) size = shorter_side_to(p.resize, size);
  Box box = center_box(p.crop, size);
  if (p.floor_crop && size.width >= p.crop) box.left = (size.width - p.crop) / 2;
  if (p.floor_crop && size.height >= p.crop) box.top = (size.height - p.crop) / 2;
  if (p.resize == 0) return crop(image, box);
  Box inside{std::max<int64_t>(0, box.left), std::max<int64_t>(0, box.top), std::min(p.crop, size.width),
             std::min(p.crop, size.height)};
  Image part = resize_window(image, size.width, size.height, inside, p.interpolation);
  if (inside == box) return part;
  return crop(part, {box.left - inside.left, box.top - inside.top, p.crop, p.crop});
}

// Python's round(): half to even.
int64_t round_half_even(double x) {
  return static_cast<int64_t>(std::nearbyint(x));
}

// In [0, n].
int64_t up_to(int64_t n, Rng& rng) {
  return rng.below(static_cast<uint32_t>(n + 1));
}

}  // namespace

std::string to_json(const Preprocess& p) {
  auto list = [&](const std::array<float, 4>& v) {
    std::string out;
    for (size_t c = 0; c < static_cast<size_t>(p.channels); ++c) out += str(c ? "," : "[", v[c]);
    return out + "]";
  };
  return str("{\"resize\":", p.resize, ",\"crop\":", p.crop, ",\"interpolation\":\"", p.interpolation,
             "\",\"mean\":", list(p.mean), ",\"std\":", list(p.std), p.squash ? ",\"squash\":true" : "",
             p.floor_crop ? ",\"floor_crop\":true" : "",
             p.channels != 3 ? str(",\"channels\":", p.channels) : "", p.inside ? ",\"inside\":true" : "",
             "}");
}

Preprocess preprocess_from_json(std::string_view text) {
  auto json = nlohmann::json::parse(text, nullptr, false);
  GRAFT_CHECK_AS(DataError, json.is_object(), "preprocess: \"", printable(text), "\" is not a JSON object");
  auto field = [&](const char* name) -> const nlohmann::json& {
    GRAFT_CHECK_AS(DataError, json.contains(name), "preprocess: the field \"", name, "\" is missing");
    return json[name];
  };
  auto integer = [&](const char* name) {
    const auto& value = field(name);
    GRAFT_CHECK_AS(DataError, value.is_number_integer(), "preprocess: \"", name, "\" is not an integer");
    return value.get<int64_t>();
  };
  Preprocess p;
  p.channels = json.contains("channels") ? integer("channels") : 3;
  check_channels(p.channels);
  auto numbers = [&](const char* name) {
    const auto& value = field(name);
    GRAFT_CHECK_AS(DataError, value.is_array() && static_cast<int64_t>(value.size()) == p.channels,
                   "preprocess: \"", name, "\" is not a list of ",
                   p.channels == 1   ? "one number"
                   : p.channels == 3 ? "three numbers"
                                     : "four numbers");
    std::array<float, 4> out{};
    for (size_t c = 0; c < value.size(); ++c) {
      GRAFT_CHECK_AS(DataError, value[c].is_number(), "preprocess: \"", name,
                     "\" holds something that is no number");
      out[c] = static_cast<float>(value[c].get<double>());
    }
    return out;
  };
  for (const auto& [name, value] : json.items()) {
    bool known = name == "resize" || name == "crop" || name == "interpolation" || name == "mean" ||
                 name == "std" || name == "squash" || name == "floor_crop" || name == "channels" ||
                 name == "inside";
    GRAFT_CHECK_AS(DataError, known, "preprocess: unknown field \"", printable(name), "\"");
  }
  p.resize = integer("resize");
  p.crop = integer("crop");
  const auto& interpolation = field("interpolation");
  GRAFT_CHECK_AS(DataError, interpolation.is_string(), "preprocess: \"interpolation\" is not a string");
  try {
    p.interpolation = interpolation_from(interpolation.get<std::string>());
  } catch (const UsageError& e) {
    fail<DataError>("preprocess: ", e.what());
  }
  p.mean = numbers("mean");
  p.std = numbers("std");
  auto flag = [&](const char* name) {
    if (!json.contains(name)) return false;
    GRAFT_CHECK_AS(DataError, json[name].is_boolean(), "preprocess: \"", name,
                   "\" is neither true nor false");
    return json[name].get<bool>();
  };
  p.squash = flag("squash");
  p.floor_crop = flag("floor_crop");
  p.inside = flag("inside");
  check(p);
  return p;
}

Box random_part(Size size, const Augment& augment, Rng& rng) {
  GRAFT_CHECK(augment.scale_min > 0 && augment.scale_min <= augment.scale_max && augment.ratio_min > 0 &&
                  augment.ratio_min <= augment.ratio_max,
              "random part: scale ", augment.scale_min, "..", augment.scale_max, " and ratio ",
              augment.ratio_min, "..", augment.ratio_max, " must be positive and in order");
  const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
  const double log_min = std::log(augment.ratio_min), log_max = std::log(augment.ratio_max);
  for (int attempt = 0; attempt < 10; ++attempt) {
    double area = width * height * rng.uniform(augment.scale_min, augment.scale_max);
    double ratio = std::exp(rng.uniform(log_min, log_max));
    int64_t w = round_half_even(std::sqrt(area * ratio));
    int64_t h = round_half_even(std::sqrt(area / ratio));
    if (w < 1 || h < 1 || w > size.width || h > size.height) continue;
    int64_t top = up_to(size.height - h, rng);
    int64_t left = up_to(size.width - w, rng);
    return {left, top, w, h};
  }
  int64_t w = size.width, h = size.height;
  if (width / height < augment.ratio_min) {
    h = std::clamp<int64_t>(round_half_even(width / augment.ratio_min), 1, size.height);
  } else if (width / height > augment.ratio_max) {
    w = std::clamp<int64_t>(round_half_even(height * augment.ratio_max), 1, size.width);
  }
  return {(size.width - w) / 2, (size.height - h) / 2, w, h};
}

void write_input(const Image& image, const Preprocess& p, float* out) {
  check(p);
  normalise(middle(image, p), p, false, out);
}

void write_augmented_input(const Image& image, const Preprocess& p, const Augment& augment, Rng& rng,
                           float* out) {
  check(p);
  GRAFT_CHECK_AS(
      UsageError, p.channels != 4 || augment.rand_ops == 0,
      "RandAugment has no operations on alpha: set augment.rand_ops=0 for pictures of four channels");
  Image part;
  switch (augment.kind) {
    case Augment::Kind::none: part = middle(image, p); break;
    case Augment::Kind::resized_crop: {
      Box box = random_part({image.width, image.height}, augment, rng);
      part = resize(crop(image, box), p.crop, p.crop, p.interpolation);
      break;
    }
    case Augment::Kind::pad_crop: {
      GRAFT_CHECK(augment.pad >= 0 && augment.pad <= p.crop, "pad and crop: a padding of ", augment.pad,
                  " is not between 0 and the crop ", p.crop);
      int64_t top = up_to(2 * augment.pad, rng) - augment.pad;
      int64_t left = up_to(2 * augment.pad, rng) - augment.pad;
      part = crop(middle(image, p), {left, top, p.crop, p.crop});
      break;
    }
  }
  bool mirror = rng.uniform() < augment.flip;
  if (augment.rand_ops > 0) {
    if (mirror) part = flip_horizontal(part);
    mirror = false;
    part = rand_augment(part, augment.rand_ops, augment.rand_magnitude, rng);
  }
  normalise(part, p, mirror, out);
  if (augment.erase > 0 && rng.uniform() < augment.erase)
    erase(out, {p.crop, p.crop}, p.planes(), random_erased_box({p.crop, p.crop}, rng));
}

Tensor to_input(const Image& image, const Preprocess& p) {
  check(p);
  Tensor out = Tensor::empty({p.crop, p.crop, p.planes()});
  write_input(image, p, out.data<float>());
  return out;
}

Tensor augmented_input(const Image& image, const Preprocess& p, const Augment& augment, Rng& rng) {
  check(p);
  Tensor out = Tensor::empty({p.crop, p.crop, p.planes()});
  write_augmented_input(image, p, augment, rng, out.data<float>());
  return out;
}

Tensor to_tensor(const Image& image) {
  return Tensor::from(std::span<const uint8_t>(image.rgb), {image.height, image.width, 3});
}

Image to_image(const Tensor& pixels) {
  GRAFT_CHECK(pixels.rank() == 3 && pixels.dim(2) == 3 && pixels.dtype() == DType::u8, "picture: ", pixels,
              " is not u8[H, W, 3]");
  Tensor whole = pixels.contiguous();
  Image image(pixels.dim(1), pixels.dim(0));
  std::memcpy(image.rgb.data(), whole.data<uint8_t>(), image.rgb.size());
  return image;
}

}  // namespace graft::data
