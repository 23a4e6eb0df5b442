// A small software renderer: curved surfaces, cut into triangles, drawn into a depth buffer with several
// samples a pixel. Everything in the meadow is such a surface: a petal, a leaf, a stem, a mushroom's cap.
#pragma once

#include <cstdint>
#include <vector>

#include "data/meadow/geometry.h"

namespace graft::data::meadow {

struct Light {
  Vec from{0.3f, 0.6f, 0.75f};       // towards the light, length 1
  Color sun{0.75f, 0.75f, 0.75f};    // on a surface that faces the light
  Color shade{0.45f, 0.45f, 0.45f};  // everywhere
};

// How finely a surface is cut: pieces along u and along v.
struct Grid {
  int u, v;
};

class Canvas {
 public:
  // size x size pixels of samples x samples samples each.
  Canvas(int64_t size, int64_t samples);

  // Draws the surface point(u, v) -> Vec, u and v in [0, 1], standing at the pose; color(u, v) -> Color is
  // what it would look like under white light. Nearer surfaces hide farther ones, in whatever order they
  // come.
  template <class Point, class Paint>
  void add(const Pose& pose, Grid grid, const Point& point, const Paint& color);

  // Fills every pixel: color(x, y) -> Color, x and y in [-1, 1]. Depth is as before.
  template <class Paint>
  void backdrop(const Paint& color);
  // Changes every sample that is there: change(x, y, Color) -> Color.
  template <class Change>
  void develop(const Change& change);

  // What is drawn from here on lies before all that was drawn.
  void next_layer();
  // A soft lens: box blurs, twice each way. The radius is in units of the picture, whose width is 2.
  void blur(float radius);
  // Takes the mean of each pixel's samples: from here on there is one sample a pixel. Forgets depth.
  void resolve();
  // Red, green, blue per sample, row by row from the top, encoded for a screen (gamma).
  std::vector<uint8_t> rgb() const;

  Light light;

 private:
  struct Corner {
    Vec at;       // x, y in samples; z is depth
    Color light;  // that falls on this corner
    float u, v;
  };
  Corner corner(Vec at, Vec normal, float u, float v) const;
  template <class Paint>
  void triangle(const Corner& a, const Corner& b, const Corner& c, const Paint& color);
  float coordinate(int64_t i) const { return (2 * (i + 0.5f)) / width_ - 1; }

  int64_t size_, samples_, width_;
  std::vector<Color> color_;
  std::vector<float> depth_;
  std::vector<Vec> points_;  // of the surface that is being drawn
  std::vector<Corner> corners_;
};

template <class Point, class Paint>
void Canvas::add(const Pose& pose, Grid grid, const Point& point, const Paint& color) {
  int columns = grid.u + 1, rows = grid.v + 1;
  points_.resize(static_cast<size_t>(columns * rows));
  corners_.resize(points_.size());
  auto index = [&](int i, int j) { return static_cast<size_t>(j * columns + i); };
  for (int j = 0; j < rows; ++j) {
    for (int i = 0; i < columns; ++i) {
      points_[index(i, j)] = pose(point(static_cast<float>(i) / grid.u, static_cast<float>(j) / grid.v));
    }
  }
  for (int j = 0; j < rows; ++j) {
    for (int i = 0; i < columns; ++i) {  // the normal is at right angles to the neighbours' differences
      Vec du = points_[index(std::min(i + 1, grid.u), j)] - points_[index(std::max(i - 1, 0), j)];
      Vec dv = points_[index(i, std::min(j + 1, grid.v))] - points_[index(i, std::max(j - 1, 0))];
      corners_[index(i, j)] = corner(points_[index(i, j)], unit(cross(du, dv)),
                                     static_cast<float>(i) / grid.u, static_cast<float>(j) / grid.v);
    }
  }
  for (int j = 0; j < grid.v; ++j) {
    for (int i = 0; i < grid.u; ++i) {
      const Corner &a = corners_[index(i, j)], &b = corners_[index(i + 1, j)];
      const Corner &c = corners_[index(i, j + 1)], &d = corners_[index(i + 1, j + 1)];
      triangle(a, b, d, color);
      triangle(a, d, c, color);
    }
  }
}

// Every sample inside gets the corners' values in proportion to the areas opposite them (barycentric
// coordinates).
template <class Paint>
void Canvas::triangle(const Corner& a, const Corner& b, const Corner& c, const Paint& color) {
  float area = (b.at.x - a.at.x) * (c.at.y - a.at.y) - (b.at.y - a.at.y) * (c.at.x - a.at.x);
  if (std::abs(area) < 1e-6f) return;
  float last = static_cast<float>(width_ - 1);
  auto first_of = [&](float p, float q, float r) { return std::max(0.f, std::ceil(std::min({p, q, r}))); };
  auto last_of = [&](float p, float q, float r) { return std::min(last, std::floor(std::max({p, q, r}))); };
  float left = first_of(a.at.x, b.at.x, c.at.x), right = last_of(a.at.x, b.at.x, c.at.x);
  float top = first_of(a.at.y, b.at.y, c.at.y), bottom = last_of(a.at.y, b.at.y, c.at.y);
  float inverse = 1 / area;
  for (float y = top; y <= bottom; ++y) {
    for (float x = left; x <= right; ++x) {
      float wb = ((x - a.at.x) * (c.at.y - a.at.y) - (y - a.at.y) * (c.at.x - a.at.x)) * inverse;
      float wc = ((b.at.x - a.at.x) * (y - a.at.y) - (b.at.y - a.at.y) * (x - a.at.x)) * inverse;
      float wa = 1 - wb - wc;
      if (wa < 0 || wb < 0 || wc < 0) continue;
      size_t at = static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x);
      float z = wa * a.at.z + wb * b.at.z + wc * c.at.z;
      if (z < depth_[at]) continue;
      depth_[at] = z;
      Color lit = a.light * wa + b.light * wb + c.light * wc;
      color_[at] = lit * color(wa * a.u + wb * b.u + wc * c.u, wa * a.v + wb * b.v + wc * c.v);
    }
  }
}

template <class Paint>
void Canvas::backdrop(const Paint& color) {
  for (int64_t j = 0; j < size_; ++j) {
    for (int64_t i = 0; i < size_; ++i) {
      float x = (2 * (i + 0.5f)) / size_ - 1, y = 1 - (2 * (j + 0.5f)) / size_;
      Color pixel = color(x, y);
      for (int64_t k = 0; k < samples_; ++k) {
        std::fill_n(color_.begin() + (j * samples_ + k) * width_ + i * samples_, samples_, pixel);
      }
    }
  }
}

template <class Change>
void Canvas::develop(const Change& change) {
  for (int64_t j = 0; j < width_; ++j) {
    for (int64_t i = 0; i < width_; ++i) {
      Color& sample = color_[static_cast<size_t>(j * width_ + i)];
      sample = change(coordinate(i), -coordinate(j), sample);
    }
  }
}

}  // namespace graft::data::meadow
