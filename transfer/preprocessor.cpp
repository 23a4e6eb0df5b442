#include "transfer/preprocessor.h"

namespace graft::transfer {
namespace {

using data::Preprocess;
using weights::Config;

// A size as one number or as {"height": n, "width": n} with equal sides.
int64_t square(const Config& config, const char* key) {
  if (!config.has_section(key)) return config.integer(key, 1, 4096);
  Config sides = config.section(key);
  int64_t height = sides.integer("height", 1, 4096);
  if (sides.integer("width", 1, 4096) != height) sides.reject("width", height, ", a square");
  return height;
}

void read_size(const Config& config, bool crops, Preprocess& p) {
  if (!config.has("size")) return;
  bool edge = config.has_section("size") && config.section("size").has("shortest_edge");
  p.resize = edge ? config.section("size").integer("shortest_edge", 1, 4096) : square(config, "size");
  if (edge && !crops) config.reject("do_center_crop", "true where the shorter side is resized");
}

std::array<float, 4> three(const Config& config, const char* key, const std::array<float, 4>& otherwise) {
  std::vector<double> values = config.numbers(key, 3);
  if (values.empty()) return otherwise;
  return {static_cast<float>(values[0]), static_cast<float>(values[1]), static_cast<float>(values[2])};
}

}  // namespace

Preprocess preprocess_of(const nn::InputSpec& input) {
  Preprocess out;
  // Where the publisher takes pictures as they are, larger ones are brought to that size.
  out.resize = input.resize > 0 ? input.resize : input.size;
  out.crop = input.size;
  out.squash = input.squash;
  if (input.bicubic) out.interpolation = data::Interpolation::bicubic;
  for (size_t c = 0; c < 3; ++c) {
    out.mean[c] = static_cast<float>(input.mean[c]);
    out.std[c] = static_cast<float>(input.standard_deviation[c]);
  }
  return out;
}

Preprocess preprocessor_config(const Config& config, const Preprocess& otherwise) {
  Preprocess p = otherwise;
  for (const char* step : {"do_resize", "do_normalize", "do_rescale"})
    if (!config.flag_or(step, true)) config.reject(step, "true");
  bool crops = config.flag_or("do_center_crop", !otherwise.squash);
  read_size(config, crops, p);
  p.squash = !crops;
  p.floor_crop = crops;
  p.crop = crops && config.has("crop_size") ? square(config, "crop_size") : crops ? otherwise.crop : p.resize;
  // Pillow's numbers of the filters.
  switch (config.integer_or("resample", p.interpolation == data::Interpolation::bicubic ? 3 : 2, 0, 5)) {
    case 0: p.interpolation = data::Interpolation::nearest; break;
    case 2: p.interpolation = data::Interpolation::bilinear; break;
    case 3: p.interpolation = data::Interpolation::bicubic; break;
    default: config.reject("resample", "0 (nearest), 2 (bilinear) or 3 (bicubic)");
  }
  p.mean = three(config, "image_mean", p.mean);
  p.std = three(config, "image_std", p.std);
  for (size_t c = 0; c < 3; ++c)
    if (p.std[c] <= 0) config.reject("image_std", "numbers above 0");
  return p;
}

}  // namespace graft::transfer
