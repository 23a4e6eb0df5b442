// Points, colours and poses of the meadow. Space: x to the right, y up, z towards the viewer; a picture spans
// [-1, 1] in x and y. Colours are linear light, about 0 to 1.
#pragma once

#include <algorithm>
#include <cmath>

namespace graft::data::meadow {

constexpr float kPi = 3.14159265f;

// A point, a direction or a colour (red, green, blue): three numbers that add and scale.
struct Vec {
  float x = 0, y = 0, z = 0;

  friend Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
  friend Vec operator-(Vec a, Vec b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
  friend Vec operator*(Vec a, float s) { return {a.x * s, a.y * s, a.z * s}; }
  friend Vec operator*(Vec a, Vec b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }  // light times colour
};
using Color = Vec;

inline float dot(Vec a, Vec b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
inline Vec cross(Vec a, Vec b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline Vec unit(Vec a) {
  return a * (1 / std::sqrt(std::max(dot(a, a), 1e-12f)));
}
inline Vec mix(Vec a, Vec b, float t) {
  return a + (b - a) * t;
}
// 0 below a, 1 above b, smooth between.
inline float smoothstep(float a, float b, float x) {
  float t = std::clamp((x - a) / (b - a), 0.f, 1.f);
  return t * t * (3 - 2 * t);
}

// Where a thing stands: p -> origin + (right, up, front) p. Each call gives a new pose, in the thing's own
// axes: a pose reads from left to right like directions to a model maker.
struct Pose {
  Vec right{1, 0, 0}, up{0, 1, 0}, front{0, 0, 1}, origin{};

  Vec direction(Vec p) const { return right * p.x + up * p.y + front * p.z; }
  Vec operator()(Vec p) const { return origin + direction(p); }
  Pose moved(Vec by) const { return {right, up, front, (*this)(by)}; }
  Pose scaled(float s) const { return {right * s, up * s, front * s, origin}; }
  Pose rolled(float angle) const {  // about the front axis: turns in the picture's plane
    float c = std::cos(angle), s = std::sin(angle);
    return {right * c + up * s, up * c - right * s, front, origin};
  }
  Pose tilted(float angle) const {  // about the right axis: the top leans away from the viewer
    float c = std::cos(angle), s = std::sin(angle);
    return {right, up * c - front * s, front * c + up * s, origin};
  }
  Pose swung(float angle) const {  // about the up axis: the front turns to the right
    float c = std::cos(angle), s = std::sin(angle);
    return {right * c - front * s, up, front * c + right * s, origin};
  }
};

}  // namespace graft::data::meadow
