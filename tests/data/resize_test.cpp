#include "data/resize.h"

#include <zlib.h>

#include <fstream>

#include "core/parallel.h"
#include "tests/data/resize_cases.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

// The cases of tests/golden/resize.py, which says what they are.
struct ResizeCase {
  Image image;
  int64_t width, height;
};

ResizeCase resize_case(int64_t i) {
  auto below = [i](int64_t k, uint64_t n) { return static_cast<int64_t>(number(i, k) % n); };
  int64_t side[4];
  for (int k = 0; k < 4; ++k) side[k] = 1 + below(k, i % 2 ? 24 : 120);
  if (below(4, 10) == 0) side[2] = side[0];
  if (below(5, 10) == 0) side[3] = side[1];
  if (below(6, 50) == 0) {
    side[0] = 1;
    side[1] = 1 + below(7, 16384);
  }
  return {case_picture(i, side[0], side[1]), side[2], side[3]};
}

constexpr Interpolation kAll[] = {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic};

}  // namespace

TEST_CASE("resize equals Pillow's in every byte, for 10,000 sizes and three filters") {
  std::ifstream golden(source_dir() + "/tests/golden/resize.txt");
  std::vector<std::string> expected;
  for (std::string line; std::getline(golden, line);) expected.push_back(line);
  REQUIRE(expected.size() == 10'000);
  std::vector<uint32_t> found(expected.size());
  parallel_for(static_cast<int64_t>(expected.size()), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      ResizeCase c = resize_case(i);
      uLong crc = 0;
      for (Interpolation interpolation : kAll) {
        Image out = resize(c.image, c.width, c.height, interpolation);
        crc = crc32(crc, out.rgb.data(), static_cast<uInt>(out.rgb.size()));
      }
      found[static_cast<size_t>(i)] = static_cast<uint32_t>(crc);
    }
  });
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK_MESSAGE(found[i] == std::stoul(expected[i], nullptr, 16),
                  "case " << i << " of tests/golden/resize.py");
  }
}

TEST_CASE("a window of a resized picture is that part of the whole") {
  for (int64_t i = 0; i < 300; ++i) {
    CAPTURE(i);
    ResizeCase c = resize_case(i);
    Rng rng(7, static_cast<uint64_t>(i));
    Box window;
    window.left = rng.below(static_cast<uint32_t>(c.width));
    window.top = rng.below(static_cast<uint32_t>(c.height));
    window.width = 1 + rng.below(static_cast<uint32_t>(c.width - window.left));
    window.height = 1 + rng.below(static_cast<uint32_t>(c.height - window.top));
    for (Interpolation interpolation : kAll) {
      Image whole = resize(c.image, c.width, c.height, interpolation);
      CHECK(resize_window(c.image, c.width, c.height, window, interpolation) == crop(whole, window));
    }
  }
}

TEST_CASE("crop pads with black, and a mirrored mirror is the picture") {
  Image image(2, 1);
  image.rgb = {1, 2, 3, 4, 5, 6};
  Image padded = crop(image, {-1, -1, 4, 3});
  std::vector<uint8_t> expected(36);
  for (size_t i = 0; i < 6; ++i) expected[12 + 3 + i] = static_cast<uint8_t>(i + 1);
  CHECK(padded.rgb == expected);
  CHECK(crop(padded, {1, 1, 2, 1}) == image);
  CHECK(crop(image, {5, 5, 1, 1}).rgb == std::vector<uint8_t>(3));
  CHECK(flip_horizontal(image).rgb == std::vector<uint8_t>{4, 5, 6, 1, 2, 3});
  CHECK(flip_horizontal(flip_horizontal(padded)) == padded);
}

TEST_CASE(
    "torchvision's sizes: the longer side is truncated, half pixels of a centre go to the even neighbour") {
  CHECK(shorter_side_to(256, {500, 333}) == Size{384, 256});
  CHECK(shorter_side_to(256, {333, 500}) == Size{256, 384});
  CHECK(shorter_side_to(256, {256, 256}) == Size{256, 256});
  CHECK(shorter_side_to(224, {1, 16384}) == Size{224, 224 * 16384});
  CHECK(center_box(224, {256, 341}) == Box{16, 58, 224, 224});  // 58.5 -> 58
  CHECK(center_box(224, {227, 225}) == Box{2, 0, 224, 224});    // 1.5 -> 2, 0.5 -> 0
  CHECK(center_box(224, {221, 224}) == Box{-1, 0, 224, 224});   // 3 missing: 1 left, 2 right
}

TEST_CASE("a strip becomes a network's input without its million rows") {
  for (Size size : {Size{1, 16384}, Size{16384, 1}, Size{1, 1}}) {
    Image strip(size.width, size.height);
    for (size_t i = 0; i < strip.rgb.size(); ++i) strip.rgb[i] = static_cast<uint8_t>(i * 7);
    Size target = shorter_side_to(224, size);
    Image middle =
        resize_window(strip, target.width, target.height, center_box(224, target), Interpolation::bilinear);
    CHECK(middle.width == 224);
    CHECK(middle.height == 224);
  }
}

TEST_CASE("resize says what it cannot do") {
  Image image(4, 4);
  check_throws<Error>([&] { resize(Image(), 4, 4, Interpolation::bilinear); }, {"resize", "empty"});
  check_throws<Error>([&] { resize(image, 0, 4, Interpolation::bilinear); }, {"resize: to 0 x 4"});
  check_throws<Error>([&] { resize(image, 20'000, 20'000, Interpolation::bilinear); },
                      {"more than 100000000"});
  check_throws<Error>(
      [&] {
        resize_window(image, 8, 8, {4, 4, 5, 4}, Interpolation::bicubic);
      },
      {"window 5 x 4 at 4, 4", "8 x 8"});
  check_throws<UsageError>([] { interpolation_from("lanczos"); }, {"lanczos", "bilinear"});
}
