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

void check(const Preprocess& p) {
  GRAFT_CHECK_AS(DataError, p.resize >= 0 && p.resize <= kMaxSide, "preprocess: resize ", p.resize,
                 " is not between 0 and ", kMaxSide);
  GRAFT_CHECK_AS(DataError, p.crop >= 1 && p.crop <= 4096, "preprocess: crop ", p.crop,
                 " is not between 1 and 4096");
  GRAFT_CHECK_AS(DataError, !p.squash || p.resize == p.crop, "preprocess: squashes to ", p.resize,
                 " pixels, but the input has ", p.crop);
  for (size_t c = 0; c < 3; ++c) {
    GRAFT_CHECK_AS(DataError, std::isfinite(p.mean[c]), "preprocess: mean of channel ", c, " is not finite");
    GRAFT_CHECK_AS(DataError, std::isfinite(p.std[c]) && p.std[c] > 0, "preprocess: std of channel ", c,
                   " is ", p.std[c], ", must be above 0");
  }
}

// ((byte / 255) - mean) / std in float, as ToTensor and Normalize round it, for every byte and channel.
struct Normaliser {
  std::array<std::array<float, 256>, 3> value;
  explicit Normaliser(const Preprocess& p) {
    for (size_t c = 0; c < 3; ++c) {
      for (size_t byte = 0; byte < 256; ++byte) {
        float x = static_cast<float>(byte) / 255.0f;
        x = x - p.mean[c];
        value[c][byte] = x / p.std[c];
      }
    }
  }
};

void normalise(const Image& image, const Preprocess& p, bool mirror, float* out) {
  const Normaliser table(p);
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* in = image.row(y);
    float* row = out + 3 * image.width * y;
    for (int64_t x = 0; x < image.width; ++x) {
      const uint8_t* pixel = in + 3 * (mirror ? image.width - 1 - x : x);
      for (size_t c = 0; c < 3; ++c) row[3 * x + static_cast<int64_t>(c)] = table.value[c][pixel[c]];
    }
  }
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
  auto triple = [](const std::array<float, 3>& v) { return str("[", v[0], ",", v[1], ",", v[2], "]"); };
  return str("{\"resize\":", p.resize, ",\"crop\":", p.crop, ",\"interpolation\":\"", p.interpolation,
             "\",\"mean\":", triple(p.mean), ",\"std\":", triple(p.std), p.squash ? ",\"squash\":true" : "",
             p.floor_crop ? ",\"floor_crop\":true" : "", "}");
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
  auto triple = [&](const char* name) {
    const auto& value = field(name);
    GRAFT_CHECK_AS(DataError, value.is_array() && value.size() == 3, "preprocess: \"", name,
                   "\" is not a list of three numbers");
    std::array<float, 3> out{};
    for (size_t c = 0; c < 3; ++c) {
      GRAFT_CHECK_AS(DataError, value[c].is_number(), "preprocess: \"", name,
                     "\" holds something that is no number");
      out[c] = static_cast<float>(value[c].get<double>());
    }
    return out;
  };
  for (const auto& [name, value] : json.items()) {
    bool known = name == "resize" || name == "crop" || name == "interpolation" || name == "mean" ||
                 name == "std" || name == "squash" || name == "floor_crop";
    GRAFT_CHECK_AS(DataError, known, "preprocess: unknown field \"", printable(name), "\"");
  }
  Preprocess p;
  p.resize = integer("resize");
  p.crop = integer("crop");
  const auto& interpolation = field("interpolation");
  GRAFT_CHECK_AS(DataError, interpolation.is_string(), "preprocess: \"interpolation\" is not a string");
  try {
    p.interpolation = interpolation_from(interpolation.get<std::string>());
  } catch (const UsageError& e) {
    fail<DataError>("preprocess: ", e.what());
  }
  p.mean = triple("mean");
  p.std = triple("std");
  auto flag = [&](const char* name) {
    if (!json.contains(name)) return false;
    GRAFT_CHECK_AS(DataError, json[name].is_boolean(), "preprocess: \"", name,
                   "\" is neither true nor false");
    return json[name].get<bool>();
  };
  p.squash = flag("squash");
  p.floor_crop = flag("floor_crop");
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
    erase(out, {p.crop, p.crop}, random_erased_box({p.crop, p.crop}, rng));
}

Tensor to_input(const Image& image, const Preprocess& p) {
  check(p);
  Tensor out = Tensor::empty({p.crop, p.crop, 3});
  write_input(image, p, out.data<float>());
  return out;
}

Tensor augmented_input(const Image& image, const Preprocess& p, const Augment& augment, Rng& rng) {
  check(p);
  Tensor out = Tensor::empty({p.crop, p.crop, 3});
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
