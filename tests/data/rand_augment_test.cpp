#include "data/rand_augment.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

#include "data/affine.h"
#include "data/erase.h"
#include "data/tone.h"
#include "data/transform.h"
#include "tests/data/resize_cases.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

uint32_t crc(const void* data, size_t bytes) {
  return static_cast<uint32_t>(crc32(0, static_cast<const Bytef*>(data), static_cast<uInt>(bytes)));
}
uint32_t crc(const Image& image) {
  return crc(image.rgb.data(), image.rgb.size());
}

// "op 17" -> its CRC; tests/golden/rand_augment.py says what the cases are.
const std::map<std::string, uint32_t>& golden() {
  static const std::map<std::string, uint32_t> all = [] {
    std::ifstream in(source_dir() + "/tests/golden/rand_augment.txt");
    std::map<std::string, uint32_t> out;
    for (std::string kind, name, value; in >> kind >> name >> value;)
      out[kind + " " + name] = static_cast<uint32_t>(std::stoul(value, nullptr, 16));
    return out;
  }();
  return all;
}

// A picture of any size up to 90 x 90, and further numbers of the case.
struct Drawn {
  Image image;
  int bin;
  bool negative;
};
Drawn drawn(int64_t i) {
  auto upto = [i](int64_t k, uint64_t n) { return static_cast<int64_t>(number(i + 40'000, k) % n); };
  Image image = case_picture(i, 1 + upto(0, 90), 1 + upto(1, 90));
  if (i % 5 == 4) {  // few values: gaps in the histogram
    for (uint8_t& v : image.rgb) v = static_cast<uint8_t>(40 + v / 3);
  }
  return {image, static_cast<int>(upto(2, kRandMagnitudes)), upto(3, 2) == 1};
}

}  // namespace

TEST_CASE("RandAugment: each operation is torchvision's on Pillow's pictures, byte for byte") {
  std::map<RandOp, int> wrong;
  for (int64_t i = 0; i < 1400; ++i) {
    auto [image, bin, negative] = drawn(i);
    auto op = static_cast<RandOp>(i % kRandOps);
    double magnitude = magnitude_of(op, bin, {image.width, image.height});
    if (is_signed(op) && negative) magnitude = -magnitude;
    wrong[op] += crc(apply(op, image, magnitude)) != golden().at(str("op ", i));
  }
  CHECK(wrong.size() == kRandOps);
  for (auto [op, count] : wrong) CHECK_MESSAGE(count == 0, to_text(op) << ": " << count << " of 100 differ");
}

TEST_CASE("RandAugment: chains, and whole inputs with mirror and erasing, are torchvision's") {
  int wrong = 0;
  for (int64_t i = 0; i < 200; ++i) {
    auto [image, bin, negative] = drawn(i);
    Rng rng(5, 1, static_cast<uint64_t>(i));
    Image out = rand_augment(image, 1 + i % 5, bin, rng);
    wrong += crc(out) != golden().at(str("chain ", i));
  }
  CHECK(wrong == 0);
  wrong = 0;
  Augment augment{.kind = Augment::Kind::none, .rand_ops = 2, .erase = 0.75};
  for (int64_t i = 0; i < 120; ++i) {
    int64_t side = 1 + i % 40;
    Preprocess preprocess{.resize = 0, .crop = side};
    Rng rng(77, 3, static_cast<uint64_t>(i));
    Tensor x = augmented_input(case_picture(i, side, side), preprocess, augment, rng);
    wrong += crc(x.raw(), static_cast<size_t>(x.bytes())) != golden().at(str("input ", i));
  }
  CHECK(wrong == 0);
}

TEST_CASE("RandAugment: magnitudes are torchvision's") {
  constexpr const char* kNames[kRandOps] = {
      "Identity", "ShearX",   "ShearY",    "TranslateX", "TranslateY", "Rotate",       "Brightness",
      "Color",    "Contrast", "Sharpness", "Posterize",  "Solarize",   "AutoContrast", "Equalize"};
  for (int k = 0; k < kRandOps; ++k) {
    auto op = static_cast<RandOp>(k);
    std::vector<float> values;
    for (int64_t side = 1; side <= 600; ++side) {
      for (int bin = 0; bin < kRandMagnitudes; ++bin) {
        double magnitude = magnitude_of(op, bin, {side, side});
        bool moves = op == RandOp::translate_x || op == RandOp::translate_y;
        values.push_back(static_cast<float>(moves ? std::trunc(magnitude) : magnitude));
      }
    }
    CHECK_MESSAGE(
        crc(values.data(), values.size() * sizeof(float)) == golden().at(str("magnitudes ", kNames[k])),
        to_text(op));
  }
  check_throws<Error>([] { magnitude_of(RandOp::rotate, 31, {1, 1}); }, {"magnitude 31", "30"});
}

TEST_CASE("RandAugment: every operation is drawn equally often, with either sign") {
  // A picture on which no operation and no sign does what another does; the magnitude is large.
  Image image = case_picture(3, 40, 30);
  for (uint8_t& v : image.rgb) v = static_cast<uint8_t>(20 + v / 2);
  constexpr int kBin = 20, kDraws = 14000;
  std::map<uint32_t, int> seen;
  for (int i = 0; i < kDraws; ++i) {
    Rng rng(9, 1, static_cast<uint64_t>(i));
    ++seen[crc(rand_augment(image, 1, kBin, rng))];
  }
  CHECK(seen.size() == kRandOps + 9);
  for (int k = 0; k < kRandOps; ++k) {
    auto op = static_cast<RandOp>(k);
    double magnitude = magnitude_of(op, kBin, {image.width, image.height});
    int plus = seen[crc(apply(op, image, magnitude))];
    int minus = is_signed(op) ? seen[crc(apply(op, image, -magnitude))] : 0;
    // Four standard deviations of a binomial variable.
    CHECK_MESSAGE(std::abs(plus + minus - 1000) <= 4 * std::sqrt(kDraws / 14.0 * 13 / 14), to_text(op));
    if (is_signed(op)) CHECK_MESSAGE(std::abs(plus - minus) <= 4 * std::sqrt(1000.0), to_text(op));
  }
  Rng rng(1);
  CHECK(rand_augment(image, 0, 9, rng) == image);
}

TEST_CASE("operations at their neutral magnitude leave a picture alone") {
  for (int64_t i : {0, 1, 2, 5}) {
    Image image = drawn(i).image;
    for (RandOp op :
         {RandOp::shear_x, RandOp::shear_y, RandOp::translate_x, RandOp::translate_y, RandOp::rotate,
          RandOp::brightness, RandOp::color, RandOp::contrast, RandOp::sharpness}) {
      CHECK_MESSAGE(apply(op, image, 0) == image, to_text(op));
    }
    CHECK(posterize(image, 8) == image);
    CHECK(solarize(image, 256) == image);
  }
  check_throws<Error>([] { rotate(Image(1, 1), 90); }, {"rotate", "90"});
  check_throws<Error>([] { shear_x(Image(1, 1), 1.5); }, {"shear", "1.5"});
  check_throws<Error>([] { posterize(Image(1, 1), 9); }, {"posterize", "9"});
}

TEST_CASE("erasing: share of the area, shape and place of the boxes") {
  constexpr int kDraws = 20000;
  constexpr Size kSize{200, 200};
  double area = 0, log_ratio = 0, low = 1, high = 0;
  std::vector<int> corner(4, 0);
  for (int i = 0; i < kDraws; ++i) {
    Rng rng(6, static_cast<uint64_t>(i));
    Box b = random_erased_box(kSize, rng);
    REQUIRE((b.left >= 0 && b.top >= 0 && b.left + b.width <= 200 && b.top + b.height <= 200));
    REQUIRE((b.width < 200 && b.height < 200 && b.width > 0 && b.height > 0));
    double share = static_cast<double>(b.width * b.height) / 40000;
    area += share, low = std::min(low, share), high = std::max(high, share);
    log_ratio += std::log(static_cast<double>(b.height) / static_cast<double>(b.width));
    ++corner[static_cast<size_t>(2 * (2 * b.left + b.width > 200) + (2 * b.top + b.height > 200))];
  }
  // Sides are below 200 even for 33 % at 3.3 to 1, but for some at 0.3 or 3.3 and 30 % or more: nearly
  // uniform.
  CHECK(std::abs(area / kDraws - (0.02 + 0.33) / 2) <= 0.003);
  CHECK((low >= 0.018 && low <= 0.025));
  CHECK((high <= 0.335 && high >= 0.32));
  CHECK(std::abs(log_ratio / kDraws - (std::log(0.3) + std::log(3.3)) / 2) <= 0.02);
  for (int count : corner) CHECK(std::abs(count - kDraws / 4) <= kDraws / 40);
  Rng rng(1);
  CHECK(random_erased_box({1, 1}, rng).height == 0);  // no box is smaller than one pixel and has an area

  // As often as asked, and 0 after normalising.
  int erased = 0;
  Image white(16, 16);
  std::fill(white.rgb.begin(), white.rgb.end(), uint8_t{255});
  Augment augment{.kind = Augment::Kind::none, .flip = 0, .erase = 0.3};
  for (uint64_t i = 0; i < 2000; ++i) {
    Rng numbers(2, i);
    Tensor x = augmented_input(white, {.resize = 0, .crop = 16}, augment, numbers);
    auto zero = [](float v) { return v == 0; };
    erased += std::any_of(x.span<float>().begin(), x.span<float>().end(), zero);
  }
  CHECK(std::abs(erased - 600) <= 4 * std::sqrt(2000 * 0.3 * 0.7));
}

TEST_CASE("augmentation without RandAugment and erasing draws what it drew before") {
  Image image = case_picture(7, 50, 40);
  Preprocess preprocess{.resize = 32, .crop = 24};
  Augment plain, none{.rand_magnitude = 20};
  Rng a(1), b(1);
  CHECK(bit_equal(augmented_input(image, preprocess, plain, a), augmented_input(image, preprocess, none, b)));
  CHECK(a.bits() == b.bits());
}
