#include "data/transform.h"

#include <zlib.h>

#include <cmath>
#include <fstream>
#include <map>

#include "tests/data/resize_cases.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;

namespace {

uint32_t crc(const void* data, size_t bytes) {
  return static_cast<uint32_t>(crc32(0, static_cast<const Bytef*>(data), static_cast<uInt>(bytes)));
}
uint32_t crc(const Tensor& t) {
  return crc(t.raw(), static_cast<size_t>(t.bytes()));
}

std::map<std::string, uint32_t> golden() {
  std::ifstream in(graft::test::source_dir() + "/tests/golden/transform.txt");
  std::map<std::string, uint32_t> out;
  for (std::string name, value; in >> name >> value;)
    out[name] = static_cast<uint32_t>(std::stoul(value, nullptr, 16));
  return out;
}

constexpr std::array<float, 4> kHalf = {0.5f, 0.5f, 0.5f};

// A picture that holds its own coordinates.
Image coordinates(int64_t width, int64_t height) {
  Image image(width, height);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.row(y)[3 * x] = static_cast<uint8_t>(x);
      image.row(y)[3 * x + 1] = static_cast<uint8_t>(y);
      image.row(y)[3 * x + 2] = 255;
    }
  }
  return image;
}

// Values as they are: (byte / 255 - 0) / 1.
Preprocess plain(int64_t side) {
  return {.resize = 0, .crop = side, .mean = {0, 0, 0}, .std = {1, 1, 1}};
}

}  // namespace

TEST_CASE("a network's input equals torchvision's in every bit") {
  auto expected = golden();
  REQUIRE(expected.size() == 157);
  Image ramp(16, 16);
  for (size_t i = 0; i < ramp.rgb.size(); ++i) ramp.rgb[i] = static_cast<uint8_t>(i);
  CHECK(crc(to_input(ramp, {.resize = 0, .crop = 16})) == expected["ramp"]);
  for (int64_t i = 0; i < 150; ++i) {
    CAPTURE(i);
    auto modulo = [&](int64_t k, uint64_t n) {
      return static_cast<int64_t>(test::number(i + 20'000, k) % n);
    };
    Image image = test::case_picture(i, 1 + modulo(0, 90), 1 + modulo(1, 90));
    constexpr int64_t kResize[] = {0, 16, 33, 64};
    Preprocess p{.resize = kResize[modulo(2, 4)], .crop = 1 + modulo(3, 48)};
    p.interpolation = modulo(4, 2) ? Interpolation::bicubic : Interpolation::bilinear;
    if (modulo(5, 2)) p.mean = p.std = kHalf;
    CHECK(crc(to_input(image, p)) == expected[str(i)]);
  }
  CHECK(crc(to_input(test::case_picture(2, 341, 300), kImageNet)) == expected["photo"]);
  CHECK(crc(to_input(test::case_picture(0, 32, 32), kCifar)) == expected["cifar"]);
  CHECK(crc(to_input(test::case_picture(0, 3, 700), {.resize = 64, .crop = 56})) == expected["strip"]);
}

TEST_CASE("I19: strips of the largest side and a single pixel resize as Pillow does") {
  auto expected = golden();
  for (Size size : {Size{1, 16384}, Size{16384, 1}, Size{1, 1}}) {
    std::string name = str(size.width, "x", size.height);
    CAPTURE(name);
    Image out = resize(test::case_picture(0, size.width, size.height), 224, 224, Interpolation::bilinear);
    CHECK(crc(out.rgb.data(), out.rgb.size()) == expected[name]);
    Tensor input = to_input(test::case_picture(0, size.width, size.height), kImageNet);
    CHECK(input.shape() == Shape{224, 224, 3});
  }
}

TEST_CASE("preprocessing as JSON reads back, and senseless fields are named") {
  Preprocess p{.resize = 232,
               .crop = 224,
               .interpolation = Interpolation::bicubic,
               .mean = kHalf,
               .std = {0.1f, 1, 2}};
  CHECK(preprocess_from_json(to_json(p)) == p);
  CHECK(to_json(kImageNet) ==
        "{\"resize\":256,\"crop\":224,\"interpolation\":\"bilinear\",\"mean\":[0.485,0.456,0.406],"
        "\"std\":[0.229,0.224,0.225]}");
  auto refuses = [](const std::string& from, const std::string& to, std::vector<std::string> parts) {
    std::string json = to_json(kImageNet);
    json.replace(json.find(from), from.size(), to);
    CAPTURE(json);
    test::check_throws<DataError>([&] { preprocess_from_json(json); }, parts);
  };
  refuses("256", "-1", {"resize -1"});
  refuses("256", "2.5", {"\"resize\" is not an integer"});
  refuses("224", "0", {"crop 0"});
  refuses("\"crop\":224,", "", {"\"crop\" is missing"});
  refuses("bilinear", "lanczos", {"lanczos"});
  refuses("0.485,", "", {"\"mean\"", "three numbers"});
  refuses("0.225", "0", {"std of channel 2 is 0"});
  refuses("0.225", "null", {"\"std\"", "no number"});
  refuses("\"crop\"", "\"crap\":1,\"crop\"", {"unknown field \"crap\""});
  refuses("{", "", {"not a JSON object"});
}

TEST_CASE("a random part stays inside, has the share and the ratio asked for, and covers the picture") {
  Augment augment{.scale_min = 0.2, .scale_max = 0.9};
  Rng rng(11);
  double mean_share = 0;
  bool touches[4] = {};
  constexpr int kDraws = 2000;
  for (int i = 0; i < kDraws; ++i) {
    Box box = random_part({80, 60}, augment, rng);
    REQUIRE((box.left >= 0 && box.top >= 0 && box.left + box.width <= 80 && box.top + box.height <= 60));
    double share = static_cast<double>(box.width * box.height) / (80 * 60);
    double ratio = static_cast<double>(box.width) / static_cast<double>(box.height);
    CHECK(share > 0.18);
    CHECK(share < 0.93);
    CHECK(ratio > 0.72);
    CHECK(ratio < 1.40);
    mean_share += share / kDraws;
    touches[0] |= box.left == 0;
    touches[1] |= box.top == 0;
    touches[2] |= box.left + box.width == 80;
    touches[3] |= box.top + box.height == 60;
  }
  CHECK(mean_share > 0.45);
  CHECK(mean_share < 0.60);
  CHECK((touches[0] && touches[1] && touches[2] && touches[3]));
}

TEST_CASE(
    "where no random part fits, the largest middle one of allowed ratio is taken, as torchvision does") {
  Augment whole{.scale_min = 1, .scale_max = 1};
  Rng rng(1);
  CHECK(random_part({300, 10}, whole, rng) == Box{143, 0, 13, 10});  // round(10 * 4/3), (300 - 13) / 2
  CHECK(random_part({10, 300}, whole, rng) == Box{0, 143, 10, 13});  // round(10 / 0.75)
  CHECK(random_part({1, 1}, whole, rng) == Box{0, 0, 1, 1});
  Augment square{.scale_min = 1, .scale_max = 1, .ratio_min = 1, .ratio_max = 1};
  CHECK(random_part({20, 20}, square, rng) == Box{0, 0, 20, 20});
  Augment wrong{.scale_min = 0.5, .scale_max = 0.2};
  test::check_throws<Error>([&] { random_part({20, 20}, wrong, rng); }, {"scale 0.5..0.2"});
}

TEST_CASE("augmentation is a function of the numbers drawn, and its parts do what they are called") {
  Image image = coordinates(50, 40);
  Preprocess p = plain(24);
  auto draw = [&](const Augment& a, uint64_t sample) {
    Rng rng(1, 2, sample);
    return augmented_input(image, p, a, rng);
  };
  Augment any;
  CHECK(bit_equal(draw(any, 3), draw(any, 3)));
  CHECK_FALSE(bit_equal(draw(any, 3), draw(any, 4)));

  Augment none{.kind = Augment::Kind::none, .flip = 0};
  CHECK(bit_equal(draw(none, 3), to_input(image, p)));
  Augment mirror{.kind = Augment::Kind::none, .flip = 1};
  CHECK(bit_equal(draw(mirror, 3), to_input(flip_horizontal(image), p)));
  Augment half{.kind = Augment::Kind::none};
  int mirrored = 0;
  for (uint64_t i = 0; i < 400; ++i) mirrored += bit_equal(draw(half, i), draw(mirror, i));
  CHECK(mirrored > 150);
  CHECK(mirrored < 250);

  // The whole picture as "random part" is the picture resized.
  Augment whole{.scale_min = 1, .scale_max = 1, .ratio_min = 1.25, .ratio_max = 1.25, .flip = 0};
  CHECK(bit_equal(draw(whole, 1), to_input(resize(image, 24, 24, Interpolation::bilinear), p)));
}

TEST_CASE("pad and crop moves a small picture by up to the padding, with black around it") {
  Image image = coordinates(8, 8);
  Preprocess p = plain(8);
  Augment augment{.kind = Augment::Kind::pad_crop, .pad = 2, .flip = 0};
  std::map<std::pair<int, int>, int> seen;
  for (uint64_t i = 0; i < 500; ++i) {
    Rng rng(1, 0, i);
    Tensor out = augmented_input(image, p, augment, rng);
    const float* v = out.data<float>();
    auto at = [&](int x, int y, int c) { return v[(y * 8 + x) * 3 + c]; };
    // The middle of the crop always shows the picture; its coordinates tell the shift.
    int dx = static_cast<int>(std::lround(at(4, 4, 0) * 255)) - 4,
        dy = static_cast<int>(std::lround(at(4, 4, 1) * 255)) - 4;
    ++seen[{dx, dy}];
    bool left_outside = dx < 0, top_outside = dy < 0;
    CHECK(at(0, 4, 2) == (left_outside ? 0.0f : 1.0f));
    CHECK(at(4, 0, 2) == (top_outside ? 0.0f : 1.0f));
  }
  CHECK(seen.size() == 25);
  for (const auto& [shift, count] : seen) CHECK(std::max(std::abs(shift.first), std::abs(shift.second)) <= 2);
}

TEST_CASE("pictures and tensors exchange their bytes") {
  Image image = coordinates(5, 4);
  Tensor t = to_tensor(image);
  CHECK(t.shape() == Shape{4, 5, 3});
  CHECK(to_image(t) == image);
  test::check_throws<Error>(
      [] {
        to_image(Tensor::zeros({4, 5, 4}, DType::u8));
      },
      {"u8[4, 5, 4]", "u8[H, W, 3]"});
}
