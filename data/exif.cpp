#include "data/exif.h"

#include <cstring>

#include "core/error.h"

namespace graft::data {

int exif_orientation(std::span<const uint8_t> app1) {
  constexpr size_t kPrefix = 6, kTiffHeader = 8, kEntry = 12;
  if (app1.size() < kPrefix + kTiffHeader || std::memcmp(app1.data(), "Exif\0\0", kPrefix) != 0) return 1;
  auto tiff = app1.subspan(kPrefix);
  bool little = tiff[0] == 'I' && tiff[1] == 'I';
  if (!little && !(tiff[0] == 'M' && tiff[1] == 'M')) return 1;
  auto number = [&](size_t at, size_t bytes) {  // 0 where the data end before
    uint32_t value = 0;
    if (at + bytes > tiff.size()) return value;
    for (size_t i = 0; i < bytes; ++i) value |= uint32_t{tiff[at + i]} << 8 * (little ? i : bytes - 1 - i);
    return value;
  };
  if (number(2, 2) != 42) return 1;
  size_t directory = number(4, 4);
  size_t entries = number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    size_t at = directory + 2 + i * kEntry;
    if (at + kEntry > tiff.size()) return 1;
    if (number(at, 2) != 0x0112) continue;
    constexpr uint32_t kShort = 3;
    uint32_t value = number(at + 8, 2);
    return number(at + 2, 2) == kShort && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image oriented(const Image& image, int orientation) {
  GRAFT_CHECK(orientation >= 1 && orientation <= 8, "orientation ", orientation, " is not between 1 and 8");
  if (orientation == 1) return image;
  // 5 to 8 exchange rows and columns; which of the two source axes then runs backwards:
  const bool transposed = orientation >= 5;
  const bool back_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool back_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out(transposed ? image.height : image.width, transposed ? image.width : image.height);
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) {
      int64_t from_x = transposed ? y : x, from_y = transposed ? x : y;
      if (back_x) from_x = image.width - 1 - from_x;
      if (back_y) from_y = image.height - 1 - from_y;
      std::memcpy(out.row(y) + 3 * x, image.row(from_y) + 3 * from_x, 3);
    }
  }
  return out;
}

}  // namespace graft::data
