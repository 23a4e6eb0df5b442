// Pictures: reading JPEG and PNG, writing PNG. The decoder stands behind decode(), so that it can be
// replaced.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace graft::data {

// 8-bit RGB, row by row from the top, three bytes a pixel.
struct Image {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;
  // A fourth channel, one byte a pixel: 255 is opaque. Empty: there is none, and each pixel is opaque.
  std::vector<uint8_t> alpha;

  Image() = default;
  Image(int64_t w, int64_t h) : width(w), height(h), rgb(static_cast<size_t>(w * h * 3)) {}
  const uint8_t* row(int64_t y) const { return rgb.data() + y * width * 3; }
  uint8_t* row(int64_t y) { return rgb.data() + y * width * 3; }
  bool operator==(const Image&) const = default;
};

// ITU-R BT.601's luma of one pixel as Pillow's convert("L") rounds it; a grey pixel's is its own value.
constexpr uint8_t grey_of(const uint8_t* rgb) {
  return static_cast<uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
}

// No picture may have more pixels or a longer side; it is refused before memory is taken for it.
inline constexpr int64_t kMaxPixels = 100'000'000;
inline constexpr int64_t kMaxSide = 16'384;

// Throws DataError unless both sides are at least 1 and within these limits.
void check_size(int64_t width, int64_t height, std::string_view name);

struct DecodeOptions {
  // 3: colours; 1: grey, the same value in all three bytes; 4: colours, and alpha where the file has some.
  int64_t channels = 3;
  // Turn and mirror the picture as its EXIF orientation says. Off: Pillow's Image.open().convert("RGB"), and
  // so torchvision's loader, leave it alone, and published networks were trained that way.
  bool exif_orient = false;
  // Accept a JPEG that ends too early; what is missing goes on in the last colour that was read.
  bool allow_truncated = false;
  // Where oddities of accepted files are told, one line each; nullptr: not told.
  std::vector<std::string>* warnings = nullptr;
};

// The picture in the bytes of a JPEG or PNG file. Grey becomes RGB, alpha is dropped unless asked for, a
// palette is resolved, of 16 bits the upper 8 stay. `name` stands in messages only. Throws DataError that
// names the file, what was found and the rule.
Image decode(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options = {});

// The bytes of a file, DataError where it cannot be read. Refuses more than 1 GiB.
std::vector<uint8_t> read_bytes(const std::string& path);

Image read_image(const std::string& path, const DecodeOptions& options = {});

// An 8-bit RGB PNG; decode(encode_png(image)) gives the image back.
std::vector<uint8_t> encode_png(const Image& image);
// Throws DiskError where the file cannot be written.
void write_png(const std::string& path, const Image& image);

}  // namespace graft::data
