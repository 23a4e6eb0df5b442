#include "data/tone.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"

namespace graft::data {
namespace {

using Table = std::array<uint8_t, 256>;

// Lightness of ITU-R 601-2, in 16 bits of fraction.
uint8_t lightness(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

uint8_t cut_off(float v) {
  return v <= 0 ? 0 : v >= 255 ? 255 : static_cast<uint8_t>(v);
}

// From `plain` through `image` and beyond.
Image blend(const Image& plain, const Image& image, double factor) {
  auto share = static_cast<float>(factor);
  Image out(image.width, image.height);
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    int from = plain.rgb[i], to = image.rgb[i];
    out.rgb[i] = cut_off(static_cast<float>(from) + share * static_cast<float>(to - from));
  }
  return out;
}

Image smooth(const Image& image) {
  Image out = image;
  constexpr float kCentre = 5.0f / 13.0f, kOther = 1.0f / 13.0f;
  for (int64_t y = 1; y + 1 < image.height; ++y) {
    const uint8_t *above = image.row(y - 1), *here = image.row(y), *below = image.row(y + 1);
    for (int64_t i = 3; i < 3 * (image.width - 1); ++i) {
      auto row = [i](const uint8_t* p, float centre) {
        auto at = [p](int64_t k) { return static_cast<float>(p[k]); };
        return at(i - 3) * kOther + at(i) * centre + at(i + 3) * kOther;
      };
      float sum = 0.5f;  // rounds
      sum += row(below, kOther);
      sum += row(here, kCentre);
      sum += row(above, kOther);
      out.row(y)[i] = cut_off(sum);
    }
  }
  return out;
}

Image looked_up(const Image& image, const std::array<Table, 3>& tables) {
  Image out(image.width, image.height);
  for (size_t i = 0; i < image.rgb.size(); ++i) out.rgb[i] = tables[i % 3][image.rgb[i]];
  return out;
}

template <class F>
Image each_value(const Image& image, F f) {
  Table table;
  for (size_t v = 0; v < 256; ++v) table[v] = f(static_cast<int>(v));
  return looked_up(image, {table, table, table});
}

constexpr Table kSame = [] {
  Table table{};
  for (size_t v = 0; v < 256; ++v) table[v] = static_cast<uint8_t>(v);
  return table;
}();

using Histogram = std::array<int64_t, 256>;

// A table for each channel, made from its histogram.
template <class F>
Image each_channel(const Image& image, F table_of) {
  std::array<Histogram, 3> counts{};
  for (size_t i = 0; i < image.rgb.size(); ++i) ++counts[i % 3][image.rgb[i]];
  return looked_up(image, {table_of(counts[0]), table_of(counts[1]), table_of(counts[2])});
}

Table stretching(const Histogram& counts) {
  int low = 0, high = 255;
  while (low < 255 && counts[static_cast<size_t>(low)] == 0) ++low;
  while (high > 0 && counts[static_cast<size_t>(high)] == 0) --high;
  if (high <= low) return kSame;
  double scale = 255.0 / (high - low), offset = -low * scale;
  Table table;
  for (size_t v = 0; v < 256; ++v) {
    table[v] = static_cast<uint8_t>(std::clamp(static_cast<double>(v) * scale + offset, 0.0, 255.0));
  }
  return table;
}

Table equalizing(const Histogram& counts) {
  int64_t sum = 0, last = 0, used = 0;
  for (int64_t count : counts) {
    sum += count;
    if (count > 0) last = count, ++used;
  }
  int64_t step = (sum - last) / 255;
  if (used <= 1 || step == 0) return kSame;
  Table table;
  int64_t below = step / 2;
  for (size_t v = 0; v < 256; ++v) {
    table[v] = static_cast<uint8_t>(std::min<int64_t>(below / step, 255));
    below += counts[v];
  }
  return table;
}

}  // namespace

Image adjust_brightness(const Image& image, double factor) {
  return blend(Image(image.width, image.height), image, factor);
}

Image adjust_color(const Image& image, double factor) {
  Image grey(image.width, image.height);
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    std::fill_n(grey.rgb.begin() + static_cast<std::ptrdiff_t>(i), 3, lightness(&image.rgb[i]));
  }
  return blend(grey, image, factor);
}

Image adjust_contrast(const Image& image, double factor) {
  int64_t sum = 0;
  for (size_t i = 0; i < image.rgb.size(); i += 3) sum += lightness(&image.rgb[i]);
  double mean = static_cast<double>(sum) / static_cast<double>(image.width * image.height);
  Image flat(image.width, image.height);
  std::fill(flat.rgb.begin(), flat.rgb.end(), static_cast<uint8_t>(mean + 0.5));
  return blend(flat, image, factor);
}

Image adjust_sharpness(const Image& image, double factor) {
  return blend(smooth(image), image, factor);
}

Image posterize(const Image& image, int bits) {
  GRAFT_CHECK(bits >= 0 && bits <= 8, "posterize: ", bits, " bits are not between 0 and 8");
  int dropped = (1 << (8 - bits)) - 1;
  return each_value(image, [=](int v) { return static_cast<uint8_t>(v & ~dropped); });
}

Image solarize(const Image& image, double threshold) {
  return each_value(image, [=](int v) { return static_cast<uint8_t>(v < threshold ? v : 255 - v); });
}

Image auto_contrast(const Image& image) {
  return each_channel(image, stretching);
}

Image equalize(const Image& image) {
  return each_channel(image, equalizing);
}

}  // namespace graft::data
