#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"

namespace graft::data {
namespace {

// Weights are integers with 22 bits behind the point: 32 bits less 8 of a pixel and 2 for the overshoot of
// bicubic.
constexpr int kPrecisionBits = 32 - 8 - 2;

double bilinear(double x) {
  x = std::abs(x);
  return x < 1 ? 1 - x : 0;
}

// Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -0.5.
double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// For each output position of one axis: where its taps start, how many there are, and their weights. `width`
// is the room for one position in `weights`.
struct Taps {
  int64_t width = 0;
  std::vector<int32_t> first, count, weights;
  const int32_t* of(int64_t i) const { return weights.data() + i * width; }
};

// Positions [begin, begin + n) of an axis that goes from `in` to `out` pixels.
Taps make_taps(int64_t in, int64_t out, int64_t begin, int64_t n, Interpolation interpolation) {
  auto filter = interpolation == Interpolation::bilinear ? bilinear : bicubic;
  double scale = static_cast<double>(in) / static_cast<double>(out);
  double filter_scale = std::max(scale, 1.0);
  double support = (interpolation == Interpolation::bilinear ? 1.0 : 2.0) * filter_scale;
  double shrink = 1.0 / filter_scale;

  Taps taps;
  taps.width = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.first.resize(static_cast<size_t>(n));
  taps.count.resize(static_cast<size_t>(n));
  taps.weights.assign(static_cast<size_t>(n * taps.width), 0);
  std::vector<double> w(static_cast<size_t>(taps.width));
  for (int64_t i = 0; i < n; ++i) {
    double center = (static_cast<double>(begin + i) + 0.5) * scale;
    int64_t first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    int64_t count = std::min(in, static_cast<int64_t>(center + support + 0.5)) - first;
    double sum = 0;
    for (int64_t k = 0; k < count; ++k) {
      double value = filter((static_cast<double>(k + first) - center + 0.5) * shrink);
      w[static_cast<size_t>(k)] = value;
      sum += value;
    }
    int32_t* out_weights = taps.weights.data() + i * taps.width;
    for (int64_t k = 0; k < count; ++k) {
      double value = w[static_cast<size_t>(k)];
      if (sum != 0) value /= sum;
      value *= 1 << kPrecisionBits;
      out_weights[k] = static_cast<int32_t>(value < 0 ? value - 0.5 : value + 0.5);
    }
    taps.first[static_cast<size_t>(i)] = static_cast<int32_t>(first);
    taps.count[static_cast<size_t>(i)] = static_cast<int32_t>(count);
  }
  return taps;
}

[[gnu::always_inline]] inline uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// One row to `n` output pixels. `in` has four bytes a pixel, the fourth unused: one pixel is one vector of
// four sums.
[[gnu::always_inline]] inline void horizontal_row_body(const uint8_t* in, const Taps& taps, int64_t n,
                                                       uint8_t* out) {
  for (int64_t x = 0; x < n; ++x) {
    const uint8_t* p = in + 4 * taps.first[static_cast<size_t>(x)];
    const int32_t* w = taps.of(x);
    const int32_t count = taps.count[static_cast<size_t>(x)];
    int32_t sum[4] = {1 << (kPrecisionBits - 1), 1 << (kPrecisionBits - 1), 1 << (kPrecisionBits - 1), 0};
    for (int32_t k = 0; k < count; ++k) {
      for (int c = 0; c < 4; ++c) sum[c] += p[4 * k + c] * w[k];
    }
    for (int c = 0; c < 3; ++c) out[3 * x + c] = to_byte(sum[c]);
  }
}

// One output row from `count` rows of `bytes` bytes each; `sums` is scratch of the same length.
[[gnu::always_inline]] inline void vertical_row_body(const uint8_t* in, int64_t stride, const int32_t* w,
                                                     int32_t count, int64_t bytes, int32_t* sums,
                                                     uint8_t* out) {
  for (int64_t i = 0; i < bytes; ++i) sums[i] = 1 << (kPrecisionBits - 1);
  int32_t k = 0;
  for (; k + 2 <= count; k += 2) {  // two rows at a time halve the traffic of the sums
    const uint8_t* a = in + k * stride;
    const uint8_t* b = a + stride;
    const int32_t wa = w[k], wb = w[k + 1];
    for (int64_t i = 0; i < bytes; ++i) sums[i] += a[i] * wa + b[i] * wb;
  }
  if (k < count) {
    const uint8_t* a = in + k * stride;
    const int32_t wa = w[k];
    for (int64_t i = 0; i < bytes; ++i) sums[i] += a[i] * wa;
  }
  for (int64_t i = 0; i < bytes; ++i) out[i] = to_byte(sums[i]);
}

// The same loops compiled twice: integer sums are equal whatever the vector width.
struct Rows {
  void (*horizontal)(const uint8_t*, const Taps&, int64_t, uint8_t*);
  void (*vertical)(const uint8_t*, int64_t, const int32_t*, int32_t, int64_t, int32_t*, uint8_t*);
};

void horizontal_row(const uint8_t* in, const Taps& taps, int64_t n, uint8_t* out) {
  horizontal_row_body(in, taps, n, out);
}
void vertical_row(const uint8_t* in, int64_t stride, const int32_t* w, int32_t count, int64_t bytes,
                  int32_t* sums, uint8_t* out) {
  vertical_row_body(in, stride, w, count, bytes, sums, out);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void horizontal_row_avx2(const uint8_t* in, const Taps& taps, int64_t n,
                                                 uint8_t* out) {
  horizontal_row_body(in, taps, n, out);
}
[[gnu::target("avx2")]] void vertical_row_avx2(const uint8_t* in, int64_t stride, const int32_t* w,
                                               int32_t count, int64_t bytes, int32_t* sums, uint8_t* out) {
  vertical_row_body(in, stride, w, count, bytes, sums, out);
}
#endif

Rows best_rows() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return {horizontal_row_avx2, vertical_row_avx2};
#endif
  return {horizontal_row, vertical_row};
}

// The source pixel of each position [begin, begin + n): Pillow adds up the step, so the sum's rounding is
// part of it.
std::vector<int64_t> nearest_sources(int64_t in, int64_t out, int64_t begin, int64_t n) {
  std::vector<int64_t> sources;
  double step = static_cast<double>(in) / static_cast<double>(out);
  double at = step * 0.5;
  for (int64_t i = 0; i < begin + n; ++i, at += step) {
    if (i >= begin) sources.push_back(std::min(in - 1, static_cast<int64_t>(at)));
  }
  return sources;
}

Image resize_nearest(const Image& image, int64_t width, int64_t height, const Box& window) {
  Image out(window.width, window.height);
  auto xs = nearest_sources(image.width, width, window.left, window.width);
  auto ys = nearest_sources(image.height, height, window.top, window.height);
  for (int64_t y = 0; y < window.height; ++y) {
    const uint8_t* in = image.row(ys[static_cast<size_t>(y)]);
    for (int64_t x = 0; x < window.width; ++x)
      std::memcpy(out.row(y) + 3 * x, in + 3 * xs[static_cast<size_t>(x)], 3);
  }
  return out;
}

// What `change` makes of the picture's colours it makes of its alpha as well.
template <class F>
Image with_alpha(const Image& image, F&& change) {
  Image out = change(image);
  if (image.alpha.empty()) return out;
  Image spread(image.width, image.height);
  for (size_t i = 0; i < image.alpha.size(); ++i) std::fill_n(&spread.rgb[3 * i], 3, image.alpha[i]);
  Image changed = change(spread);
  out.alpha.resize(changed.rgb.size() / 3);
  for (size_t i = 0; i < out.alpha.size(); ++i) out.alpha[i] = changed.rgb[3 * i];
  return out;
}

Image resize_colours(const Image& image, int64_t width, int64_t height, const Box& window,
                     Interpolation interpolation) {
  if (interpolation == Interpolation::nearest) return resize_nearest(image, width, height, window);
  static const Rows rows = best_rows();

  // Pillow's order: a pass along x, rounded to bytes, then one along y. A pass that keeps the size is left
  // out.
  Taps down = make_taps(image.height, height, window.top, window.height, interpolation);
  const bool vertical = height != image.height;
  int64_t top = window.top, bottom = window.top + window.height;  // source rows that the second pass reads
  if (vertical) {
    top = down.first.front();
    bottom = down.first.back() + down.count.back();
  }
  Image wide(window.width, bottom - top);
  if (width != image.width) {
    Taps across = make_taps(image.width, width, window.left, window.width, interpolation);
    int64_t left = across.first.front(), right = across.first.back() + across.count.back();
    std::vector<uint8_t> spread(static_cast<size_t>(4 * image.width));
    for (int64_t y = top; y < bottom; ++y) {
      const uint8_t* in = image.row(y);
      for (int64_t x = left; x < right; ++x) {
        for (int c = 0; c < 3; ++c) spread[static_cast<size_t>(4 * x + c)] = in[3 * x + c];
      }
      rows.horizontal(spread.data(), across, window.width, wide.row(y - top));
    }
  } else {
    for (int64_t y = top; y < bottom; ++y) {
      std::memcpy(wide.row(y - top), image.row(y) + 3 * window.left, static_cast<size_t>(3 * window.width));
    }
  }
  if (!vertical) return wide;

  Image out(window.width, window.height);
  const int64_t bytes = 3 * window.width;
  std::vector<int32_t> sums(static_cast<size_t>(bytes));
  for (int64_t y = 0; y < window.height; ++y) {
    auto i = static_cast<size_t>(y);
    rows.vertical(wide.row(down.first[i] - top), bytes, down.of(y), down.count[i], bytes, sums.data(),
                  out.row(y));
  }
  return out;
}

}  // namespace

std::string to_text(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::nearest: return "nearest";
    case Interpolation::bilinear: return "bilinear";
    case Interpolation::bicubic: return "bicubic";
  }
  fail("interpolation: no such value");
}

Interpolation interpolation_from(std::string_view text) {
  for (auto value : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic}) {
    if (to_text(value) == text) return value;
  }
  fail<UsageError>("interpolation: \"", printable(text), "\" is none of nearest, bilinear, bicubic");
}

Image resize(const Image& image, int64_t width, int64_t height, Interpolation interpolation) {
  return resize_window(image, width, height, {0, 0, width, height}, interpolation);
}

Image resize_window(const Image& image, int64_t width, int64_t height, const Box& window,
                    Interpolation interpolation) {
  GRAFT_CHECK(image.width >= 1 && image.height >= 1, "resize: the picture is empty");
  GRAFT_CHECK(width >= 1 && height >= 1 && width <= kMaxResized && height <= kMaxResized, "resize: to ",
              width, " x ", height, ", each side must be 1 to ", kMaxResized);
  GRAFT_CHECK(window.width >= 1 && window.height >= 1 && window.left >= 0 && window.top >= 0 &&
                  window.left + window.width <= width && window.top + window.height <= height,
              "resize: the window ", window.width, " x ", window.height, " at ", window.left, ", ",
              window.top, " is not inside ", width, " x ", height);
  GRAFT_CHECK(window.height <= kMaxPixels / window.width, "resize: ", window.width, " x ", window.height,
              " is more than ", kMaxPixels, " pixels");
  return with_alpha(image,
                    [&](const Image& x) { return resize_colours(x, width, height, window, interpolation); });
}

Image crop(const Image& image, const Box& box) {
  GRAFT_CHECK(box.width >= 1 && box.height >= 1, "crop: to ", box.width, " x ", box.height);
  return with_alpha(image, [&](const Image& x) {
    Image out(box.width, box.height);
    int64_t left = std::max<int64_t>(0, box.left), right = std::min(x.width, box.left + box.width);
    if (left >= right) return out;
    for (int64_t y = std::max<int64_t>(0, box.top); y < std::min(x.height, box.top + box.height); ++y) {
      std::memcpy(out.row(y - box.top) + 3 * (left - box.left), x.row(y) + 3 * left,
                  static_cast<size_t>(3 * (right - left)));
    }
    return out;
  });
}

Image flip_horizontal(const Image& image) {
  return with_alpha(image, [](const Image& in) {
    Image out(in.width, in.height);
    for (int64_t y = 0; y < in.height; ++y) {
      for (int64_t x = 0; x < in.width; ++x)
        std::memcpy(out.row(y) + 3 * x, in.row(y) + 3 * (in.width - 1 - x), 3);
    }
    return out;
  });
}

Size shorter_side_to(int64_t side, Size size) {
  int64_t shorter = std::min(size.width, size.height), longer = std::max(size.width, size.height);
  // Exact: the product has at most 30 bits, and a quotient that is no integer is never rounded up to one.
  int64_t scaled = side * longer / shorter;
  return size.width <= size.height ? Size{side, scaled} : Size{scaled, side};
}

Box center_box(int64_t side, Size size) {
  auto start = [side](int64_t length) {
    int64_t rest = length - side;
    if (rest < 0) return -((side - length) / 2);
    int64_t half = rest / 2;
    return rest % 2 == 0 || half % 2 == 0 ? half : half + 1;
  };
  return {start(size.width), start(size.height), side, side};
}

}  // namespace graft::data
