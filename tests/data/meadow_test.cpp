#include "data/meadow/meadow.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/parallel.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using meadow::Flora;

namespace {

// Mean absolute difference of two pictures' bytes, 0 to 255.
double difference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  return sum / static_cast<double>(a.rgb.size());
}

}  // namespace

TEST_CASE("meadow: a picture is a function of flora, label, seed and index") {
  std::vector<Image> first(40), second(40);
  auto draw_all = [](std::vector<Image>& pictures) {
    parallel_for(40, 3, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        pictures[static_cast<size_t>(i)] =
            meadow::draw(i % 2 ? Flora::demo : Flora::pretraining, i % 5, 7, static_cast<uint64_t>(i));
      }
    });
  };
  int before = threads();
  set_threads(1);
  draw_all(first);
  set_threads(4);
  std::reverse(second.begin(), second.end());
  draw_all(second);
  set_threads(before);
  CHECK(first == second);
  for (size_t i = 1; i < first.size(); ++i) CHECK(difference(first[i], first[i - 1]) > 1);
  Image base = meadow::draw(Flora::demo, 0, 7, 0);
  CHECK(difference(base, meadow::draw(Flora::demo, 0, 8, 0)) > 1);
  CHECK(difference(base, meadow::draw(Flora::demo, 1, 7, 0)) > 1);
  CHECK(difference(base, meadow::draw(Flora::pretraining, 0, 7, 0)) > 1);
}

TEST_CASE("meadow: the floras hold what they promise") {
  std::vector<std::string> pretraining = meadow::species_names(Flora::pretraining);
  CHECK(pretraining.size() >= 40);
  CHECK(std::is_sorted(pretraining.begin(), pretraining.end()));
  std::set<std::string> names(pretraining.begin(), pretraining.end());
  CHECK(names.size() == pretraining.size());
  CHECK(meadow::species_names(Flora::demo) ==
        std::vector<std::string>{"daisy", "dandelion", "rose", "sunflower", "tulip"});
  for (const std::string& name : meadow::species_names(Flora::demo)) CHECK(names.count(name) == 0);
}

TEST_CASE("meadow: pictures have the size that was asked for and use the range of tones") {
  for (int64_t size : {1, 17, 64, 100}) {
    Image picture = meadow::draw(Flora::demo, 3, 1, 2, size);
    CHECK(picture.width == size);
    CHECK(picture.height == size);
    CHECK(picture.rgb.size() == static_cast<size_t>(3 * size * size));
  }
  auto count = static_cast<int64_t>(meadow::species_names(Flora::pretraining).size());
  for (int64_t label = 0; label < count; ++label) {
    CAPTURE(label);
    Image picture = meadow::draw(Flora::pretraining, label, 3, 0);
    auto [low, high] = std::minmax_element(picture.rgb.begin(), picture.rgb.end());
    CHECK(*high - *low > 30);
  }
}

// If the mean colour told the species, a network would need no forms. Every species' mean over many pictures
// must lie close to the mean of all: closer than the pictures of one species lie to each other.
TEST_CASE("meadow: colour does not give the species away") {
  constexpr int64_t kPictures = 150;
  std::array<std::array<double, 3>, 5> means{};
  std::array<double, 3> overall{}, square{};
  for (int64_t label = 0; label < 5; ++label) {
    for (int64_t i = 0; i < kPictures; ++i) {
      Image picture = meadow::draw(Flora::demo, label, 11, static_cast<uint64_t>(i), 32);
      for (size_t c = 0; c < 3; ++c) {
        double mean = 0;
        for (size_t p = c; p < picture.rgb.size(); p += 3) mean += picture.rgb[p] / (32.0 * 32.0);
        means[static_cast<size_t>(label)][c] += mean / kPictures;
        overall[c] += mean / (5 * kPictures);
        square[c] += mean * mean / (5 * kPictures);
      }
    }
  }
  for (const auto& mean : means) {
    for (size_t c = 0; c < 3; ++c)
      CHECK(std::abs(mean[c] - overall[c]) < 0.3 * std::sqrt(square[c] - overall[c] * overall[c]));
  }
}

TEST_CASE("meadow: a label that the flora lacks") {
  test::check_throws<UsageError>([] { meadow::draw(Flora::demo, 5, 0, 0); }, {"no species 5", "5"});
  test::check_throws<UsageError>([] { meadow::draw(Flora::demo, -1, 0, 0); }, {"no species -1"});
}
