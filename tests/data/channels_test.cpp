// Pictures as grey ones and with alpha: what Pillow makes of the same files, and the inputs of networks for
// them.
#include <cstring>
#include <fstream>

#include "data/rand_augment.h"
#include "data/transform.h"
#include "tests/data/make_png.h"
#include "tests/data/seeds.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

// A line of tests/golden/channels.txt; tests/golden/channels.py says what it holds.
struct Golden {
  std::string name;
  Bytes file;
  Image colours;                               // with alpha
  Bytes alpha, grey, small_grey, small_alpha;  // of each pixel; the small ones are 7 x 5
};

std::vector<Golden> golden() {
  std::ifstream in(source_dir() + "/tests/golden/channels.txt");
  std::vector<Golden> out;
  Golden g;
  int64_t width, height;
  std::string parts[6];
  while (in >> g.name >> width >> height >> parts[0] >> parts[1] >> parts[2] >> parts[3] >> parts[4] >>
         parts[5]) {
    g.file = from_base64(parts[0]);
    g.colours = Image(width, height);
    g.colours.rgb = from_base64(parts[1]);
    g.alpha = from_base64(parts[2]);
    g.grey = from_base64(parts[3]);
    g.small_grey = from_base64(parts[4]);
    g.small_alpha = from_base64(parts[5]);
    out.push_back(g);
  }
  return out;
}

// The one value of each pixel; the three bytes must be equal.
Bytes values_of(const Image& grey) {
  Bytes out;
  for (size_t i = 0; i < grey.rgb.size(); i += 3) {
    CHECK(grey.rgb[i] == grey.rgb[i + 1]);
    CHECK(grey.rgb[i] == grey.rgb[i + 2]);
    out.push_back(grey.rgb[i]);
  }
  return out;
}

Bytes alpha_of(const Image& image) {
  return image.alpha.empty() ? Bytes(image.rgb.size() / 3, 255) : image.alpha;
}

Image with_alpha(int64_t width, int64_t height, uint64_t seed) {
  Image image(width, height);
  Rng rng(seed);
  for (uint8_t& v : image.rgb) v = static_cast<uint8_t>(rng.below(256));
  image.alpha.resize(image.rgb.size() / 3);
  for (uint8_t& v : image.alpha) v = static_cast<uint8_t>(rng.below(256));
  return image;
}

}  // namespace

TEST_CASE("channels: grey and alpha of a file are Pillow's, byte for byte, also resized") {
  auto cases = golden();
  REQUIRE(cases.size() == 12);
  int transparent = 0;
  for (const Golden& g : cases) {
    CAPTURE(g.name);
    Image grey = decode(g.file, g.name, {.channels = 1});
    CHECK(values_of(grey) == g.grey);
    CHECK(grey.alpha.empty());
    CHECK(values_of(resize(grey, 7, 5, Interpolation::bilinear)) == g.small_grey);
    Image full = decode(g.file, g.name, {.channels = 4});
    CHECK(full.rgb == g.colours.rgb);
    CHECK(alpha_of(full) == g.alpha);
    CHECK(alpha_of(resize(full, 7, 5, Interpolation::bilinear)) == g.small_alpha);
    transparent += !full.alpha.empty();
    // The colours are those that come without alpha.
    Image plain = decode(g.file, g.name);
    CHECK(plain.alpha.empty());
    CHECK(plain.rgb == full.rgb);
    CHECK(resize(plain, 7, 5, Interpolation::bilinear).rgb ==
          resize(full, 7, 5, Interpolation::bilinear).rgb);
  }
  CHECK(transparent == 6);
}

TEST_CASE("channels: of 16 bits the upper 8 of alpha stay") {
  PngFile png{.width = 2, .height = 1, .depth = 16, .colour = 6};
  Bytes file =
      png.rows({0, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0x80, 0xFF, 1, 2, 3, 4, 5, 6, 0x7F, 0}).bytes();
  Image image = decode(file, "test", {.channels = 4});
  CHECK(image.rgb == Bytes{0x12, 0x56, 0x9A, 1, 3, 5});
  CHECK(image.alpha == Bytes{0x80, 0x7F});
  CHECK(decode(file, "test").alpha.empty());
}

TEST_CASE("channels: crop, mirror and window treat alpha as a channel") {
  Image image = with_alpha(9, 7, 1);
  auto as_colours = [](const Image& from) {
    Image out(from.width, from.height);
    for (size_t i = 0; i < from.alpha.size(); ++i) std::memset(&out.rgb[3 * i], from.alpha[i], 3);
    return out;
  };
  Image spread = as_colours(image);
  Box outside{-2, 3, 8, 9};
  CHECK(as_colours(crop(image, outside)) == crop(spread, outside));
  CHECK(as_colours(crop(image, {20, 0, 3, 3})) == crop(spread, {20, 0, 3, 3}));
  CHECK(as_colours(flip_horizontal(image)) == flip_horizontal(spread));
  for (Interpolation how : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic})
    CHECK(as_colours(resize_window(image, 21, 4, {3, 1, 11, 2}, how)) ==
          resize_window(spread, 21, 4, {3, 1, 11, 2}, how));
}

TEST_CASE("channels: the planes of an input, plain, mirrored and erased") {
  Image image = with_alpha(5, 5, 2);
  Preprocess rgb{.resize = 0, .crop = 5}, grey = rgb, four = rgb;
  grey.channels = 1;
  grey.inside = true;
  grey.mean = {0.4f};
  grey.std = {0.2f};
  four.channels = 4;
  four.mean[3] = 1;
  four.std[3] = 0.5f;
  Tensor plain = to_input(image, rgb), two = to_input(image, grey), all = to_input(image, four);
  CHECK(two.shape() == Shape{5, 5, 2});
  CHECK(all.shape() == Shape{5, 5, 4});
  for (int64_t i = 0; i < 25; ++i) {
    float luma = static_cast<float>(grey_of(&image.rgb[static_cast<size_t>(3 * i)])) / 255.0f;
    CHECK(two.data<float>()[2 * i] == (luma - 0.4f) / 0.2f);
    CHECK(two.data<float>()[2 * i + 1] == 1);
    for (int64_t c = 0; c < 3; ++c) CHECK(all.data<float>()[4 * i + c] == plain.data<float>()[3 * i + c]);
    float alpha = static_cast<float>(image.alpha[static_cast<size_t>(i)]) / 255.0f;
    CHECK(all.data<float>()[4 * i + 3] == (alpha - 1) / 0.5f);
  }
  Image opaque = image;
  opaque.alpha.clear();
  Tensor without = to_input(opaque, four);
  for (int64_t i = 0; i < 25; ++i) CHECK(without.data<float>()[4 * i + 3] == 0);

  // The same numbers are drawn for any channels: what is mirrored and erased is the same place of each plane.
  Augment augment{.kind = Augment::Kind::none, .flip = 0.5, .erase = 1};
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Rng a(seed), b(seed), c(seed);
    Tensor x = augmented_input(image, rgb, augment, a), y = augmented_input(image, grey, augment, b),
           z = augmented_input(image, four, augment, c);
    for (int64_t i = 0; i < 25; ++i) {
      bool erased = x.data<float>()[3 * i] == 0 && x.data<float>()[3 * i + 1] == 0;
      CHECK((y.data<float>()[2 * i + 1] == 0) == erased);
      for (int64_t k = 0; k < 3; ++k) CHECK(z.data<float>()[4 * i + k] == x.data<float>()[3 * i + k]);
    }
  }
}

TEST_CASE("channels: preprocessing as JSON, and what is refused") {
  Preprocess grey;
  grey.channels = 1;
  grey.inside = true;
  grey.mean = {0.25f};
  grey.std = {0.5f};
  std::string text = to_json(grey);
  CHECK(text.find("\"mean\":[0.25],\"std\":[0.5],\"channels\":1,\"inside\":true}") != text.npos);
  CHECK(preprocess_from_json(text) == grey);
  Preprocess four;
  four.channels = 4;
  four.mean[3] = 1;
  four.std[3] = 0.5f;
  CHECK(preprocess_from_json(to_json(four)) == four);
  CHECK(to_json(Preprocess{}).find("channels") == std::string::npos);

  auto refused = [&](const std::string& from, const std::string& to, const std::vector<std::string>& parts) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    check_throws<DataError>([&] { preprocess_from_json(changed); }, parts);
  };
  for (const char* count : {"0", "2", "5", "-1", "4000000000"})
    refused("\"channels\":1", str("\"channels\":", count), {"channels", "1 (grey), 3 and 4"});
  refused("\"channels\":1", "\"channels\":3", {"mean", "three numbers"});
  refused("[0.5]", "[0]", {"std", "above 0"});
  refused("true}", "1}", {"inside", "neither true nor false"});
  Preprocess two = grey;
  two.channels = 2;
  check_throws<DataError>([&] { to_input(Image(3, 3), two); }, {"2 channels"});
  Rng rng(1);
  check_throws<UsageError>(
      [&] {
        augmented_input(with_alpha(3, 3, 1),
                        {.resize = 0, .crop = 3, .mean = four.mean, .std = four.std, .channels = 4},
                        {.rand_ops = 1}, rng);
      },
      {"RandAugment", "augment.rand_ops=0"});
}
