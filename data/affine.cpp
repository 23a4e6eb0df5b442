#include "data/affine.h"

#include <array>
#include <charconv>
#include <cmath>

#include "core/error.h"

namespace graft::data {
namespace {

constexpr double kPi = 3.14159265358979323846;

// Python's math.degrees and math.radians.
double degrees_of(double radians) {
  return radians * (180.0 / kPi);
}
double radians_of(double degrees) {
  return degrees * (kPi / 180.0);
}

// Python's round(x, 15): to the nearest decimal, and back.
double round_15(double x) {
  std::array<char, 32> text;
  auto end = std::to_chars(text.data(), text.data() + text.size(), x, std::chars_format::fixed, 15).ptr;
  double out = 0;
  std::from_chars(text.data(), end, out);
  return out;
}

int64_t fixed_point(double v) {
  return static_cast<int64_t>(std::floor(v * 65536.0 + 0.5));
}

// The pixel at (x, y) comes from (m0 x + m1 y + m2, m3 x + m4 y + m5), seen from pixels' centres.
Image transform(const Image& image, const std::array<double, 6>& m) {
  Image out(image.width, image.height);
  int64_t column_x = fixed_point(m[0]), row_x = fixed_point(m[1]);
  int64_t column_y = fixed_point(m[3]), row_y = fixed_point(m[4]);
  int64_t first_x = fixed_point(m[2] + m[0] * 0.5 + m[1] * 0.5);
  int64_t first_y = fixed_point(m[5] + m[3] * 0.5 + m[4] * 0.5);
  for (int64_t y = 0; y < out.height; ++y, first_x += row_x, first_y += row_y) {
    uint8_t* to = out.row(y);
    int64_t at_x = first_x, at_y = first_y;
    for (int64_t x = 0; x < out.width; ++x, to += 3, at_x += column_x, at_y += column_y) {
      int64_t from_x = at_x >> 16, from_y = at_y >> 16;
      if (from_x < 0 || from_x >= image.width || from_y < 0 || from_y >= image.height) continue;
      const uint8_t* from = image.row(from_y) + 3 * from_x;
      to[0] = from[0], to[1] = from[1], to[2] = from[2];
    }
  }
  return out;
}

void check_slope(double slope) {
  GRAFT_CHECK(std::abs(slope) <= 1, "shear: a slope of ", slope, " is not between -1 and 1");
}

}  // namespace

// Both go through an angle in degrees and back, as torchvision's affine() takes one.
Image shear_x(const Image& image, double slope) {
  check_slope(slope);
  double angle = radians_of(degrees_of(std::atan(slope)));
  return transform(image, {1, std::tan(angle), 0, 0, 1, 0});
}

Image shear_y(const Image& image, double slope) {
  check_slope(slope);
  double angle = radians_of(degrees_of(std::atan(slope)));
  return transform(image, {1, 0, 0, std::sin(angle) / std::cos(angle), 1, 0});
}

Image translate(const Image& image, int64_t right, int64_t down) {
  return transform(image, {1, 0, -static_cast<double>(right), 0, 1, -static_cast<double>(down)});
}

Image rotate(const Image& image, double degrees) {
  GRAFT_CHECK(std::abs(degrees) < 90, "rotate: ", degrees, " degrees are not between -90 and 90");
  if (degrees == 0) return image;
  double angle = -radians_of(degrees < 0 ? degrees + 360 : degrees);
  double cosine = round_15(std::cos(angle)), sine = round_15(std::sin(angle));
  double x = static_cast<double>(image.width) / 2, y = static_cast<double>(image.height) / 2;
  return transform(image, {cosine, sine, cosine * -x + sine * -y + x,  //
                           -sine, cosine, -sine * -x + cosine * -y + y});
}

}  // namespace graft::data
