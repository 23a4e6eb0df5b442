#include "data/meadow/canvas.h"

#include <limits>

namespace graft::data::meadow {

namespace {
constexpr float kFarthest = -std::numeric_limits<float>::infinity();
constexpr float kPerspective = 0.12f;  // how much larger a thing looks that is one unit nearer
}  // namespace

Canvas::Canvas(int64_t size, int64_t samples)
    : size_(size),
      samples_(samples),
      width_(size * samples),
      color_(static_cast<size_t>(width_ * width_)),
      depth_(color_.size(), kFarthest) {}

// Lambert's cosine law, with a little of the light that falls through a thin leaf or petal from behind.
Canvas::Corner Canvas::corner(Vec at, Vec normal, float u, float v) const {
  if (normal.z < 0) normal = normal * -1;  // surfaces have two sides; the one that we see is lit
  float cosine = dot(normal, light.from);
  float lit = cosine > 0 ? cosine : -0.35f * cosine;
  float zoom = 0.5f * width_ / (1 - kPerspective * std::min(at.z, 4.f));
  Vec sample{0.5f * width_ + at.x * zoom - 0.5f, 0.5f * width_ - at.y * zoom - 0.5f, at.z};
  return {sample, light.shade + light.sun * lit, u, v};
}

void Canvas::next_layer() {
  std::fill(depth_.begin(), depth_.end(), kFarthest);
}

void Canvas::blur(float radius) {
  auto reach = static_cast<int64_t>(radius * width_ / 2 + 0.5f);
  if (reach < 1) return;
  std::vector<Color> line(static_cast<size_t>(width_));
  float weight = 1.f / (2 * reach + 1);
  for (int pass = 0; pass < 4; ++pass) {  // rows, columns, rows, columns
    int64_t step = pass % 2 == 0 ? 1 : width_, next_line = pass % 2 == 0 ? width_ : 1;
    for (int64_t l = 0; l < width_; ++l) {
      Color* first = color_.data() + l * next_line;
      auto at = [&](int64_t i) { return first[std::clamp<int64_t>(i, 0, width_ - 1) * step]; };
      Color sum{};
      for (int64_t i = -reach; i <= reach; ++i) sum = sum + at(i);
      for (int64_t i = 0; i < width_; ++i) {
        line[static_cast<size_t>(i)] = sum * weight;
        sum = sum + at(i + reach + 1) - at(i - reach);
      }
      for (int64_t i = 0; i < width_; ++i) first[i * step] = line[static_cast<size_t>(i)];
    }
  }
}

void Canvas::resolve() {
  std::vector<Color> pixels(static_cast<size_t>(size_ * size_));
  float weight = 1.f / static_cast<float>(samples_ * samples_);
  for (int64_t j = 0; j < width_; ++j) {
    for (int64_t i = 0; i < width_; ++i) {
      Color& pixel = pixels[static_cast<size_t>(j / samples_ * size_ + i / samples_)];
      pixel = pixel + color_[static_cast<size_t>(j * width_ + i)] * weight;
    }
  }
  color_ = std::move(pixels);
  samples_ = 1;
  width_ = size_;
  depth_.assign(color_.size(), kFarthest);
}

std::vector<uint8_t> Canvas::rgb() const {
  std::vector<uint8_t> out;
  out.reserve(3 * color_.size());
  for (const Color& c : color_) {
    for (float linear : {c.x, c.y, c.z}) {  // gamma 2: close to sRGB's curve
      out.push_back(static_cast<uint8_t>(255 * std::sqrt(std::clamp(linear, 0.f, 1.f)) + 0.5f));
    }
  }
  return out;
}

}  // namespace graft::data::meadow
