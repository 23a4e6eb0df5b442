#include "transfer/report/thumbnail.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "data/resize.h"

namespace graft::transfer::report {

std::string thumbnail_png(const data::Image& image, int64_t side) {
  int64_t shorter = std::min(image.width, image.height);
  if (shorter <= 0) return "";
  data::Image square = data::crop(image, data::center_box(shorter, {image.width, image.height}));
  if (shorter < side && shorter * 2 <= side) {
    int64_t enlarged = shorter * (side / shorter);  // small pictures keep their pixels visible
    square = data::resize(square, enlarged, enlarged, data::Interpolation::nearest);
  } else if (shorter > side) {
    square = data::resize(square, side, side, data::Interpolation::bilinear);
  }
  std::vector<uint8_t> png = data::encode_png(square);
  return std::string(png.begin(), png.end());
}

Thumbnail held_out_thumbnails(const RunResult& run) {
  return [folder = run.data, &scored = run.test.scored](size_t index) -> std::string {
    if (index >= scored.size()) return "";
    const std::string& file = scored[index].file;
    std::error_code ignored;
    std::string under = folder + "/" + file;
    try {
      return thumbnail_png(data::read_image(std::filesystem::exists(under, ignored) ? under : file));
    } catch (const Error&) {
      return "";  // gone or changed since it was scored: the report says "no picture"
    }
  };
}

}  // namespace graft::transfer::report
