// The files of tests/golden/images.txt: made by Pillow, with the pixels that Pillow reads from them.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "data/image.h"
#include "tests/data/make_png.h"
#include "tests/support.h"

namespace graft::test {

struct ImageSeed {
  std::string name;
  Bytes file;
  data::Image pixels;
};

inline Bytes from_base64(const std::string& text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Bytes out;
  uint32_t word = 0;
  int bits = 0;
  for (char c : text) {
    size_t digit = kDigits.find(c);
    if (digit == kDigits.npos) break;
    word = word << 6 | static_cast<uint32_t>(digit);
    bits += 6;
    if (bits >= 8) out.push_back(static_cast<uint8_t>(word >> (bits -= 8)));
  }
  return out;
}

inline std::vector<ImageSeed> image_seeds() {
  std::ifstream in(source_dir() + "/tests/golden/images.txt");
  std::vector<ImageSeed> out;
  ImageSeed seed;
  std::string file, pixels;
  int64_t width, height;
  while (in >> seed.name >> width >> height >> file >> pixels) {
    seed.file = from_base64(file);
    seed.pixels = data::Image(width, height);
    seed.pixels.rgb = from_base64(pixels);
    out.push_back(seed);
  }
  return out;
}

inline ImageSeed image_seed(const std::string& name) {
  for (ImageSeed& seed : image_seeds()) {
    if (seed.name == name) return seed;
  }
  throw Error("no seed " + name);
}

}  // namespace graft::test
