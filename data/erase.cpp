#include "data/erase.h"

#include <algorithm>
#include <cmath>

namespace graft::data {

Box random_erased_box(Size size, Rng& rng) {
  const double log_min = std::log(0.3), log_max = std::log(3.3);
  const auto area = static_cast<double>(size.width * size.height);
  for (int attempt = 0; attempt < 10; ++attempt) {
    double erased = area * rng.uniform(0.02, 0.33);
    double ratio = std::exp(rng.uniform(log_min, log_max));
    // Half to even, as Python's round().
    auto height = static_cast<int64_t>(std::nearbyint(std::sqrt(erased * ratio)));
    auto width = static_cast<int64_t>(std::nearbyint(std::sqrt(erased / ratio)));
    if (height >= size.height || width >= size.width) continue;
    int64_t top = rng.below(static_cast<uint32_t>(size.height - height + 1));
    int64_t left = rng.below(static_cast<uint32_t>(size.width - width + 1));
    return {left, top, width, height};
  }
  return {};
}

void erase(float* pixels, Size size, int64_t planes, const Box& box) {
  for (int64_t y = box.top; y < box.top + box.height; ++y)
    std::fill_n(pixels + planes * (y * size.width + box.left), planes * box.width, 0.0f);
}

}  // namespace graft::data
