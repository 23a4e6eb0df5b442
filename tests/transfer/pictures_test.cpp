#include "transfer/pictures.h"

#include <set>

#include "core/parallel.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

TEST_CASE("pictures: kept small, the network's input is that of the file, bit by bit") {
  TempDir folder;
  for (int64_t size : {20, 37, 64}) {
    PictureSet drawn = drawn_pictures(2, 2, size, 1);
    write_folder(drawn, folder / str(size));
    data::Dataset dataset = data::scan_folder(folder / str(size), {.test_share = 0});
    for (auto interpolation : {data::Interpolation::bilinear, data::Interpolation::bicubic}) {
      data::Preprocess preprocess{.resize = 24, .crop = 20, .interpolation = interpolation};
      PictureSet set = load_pictures(dataset, dataset.train, preprocess);
      REQUIRE(set.size() == 4);
      CHECK(set.pixels[0]->width == 24);
      CHECK(set.labels == std::vector<int64_t>{0, 0, 1, 1});
      std::vector<int64_t> which = {2};
      data::Image image = data::read_image(dataset.path(dataset.train[2]));
      CHECK(bit_equal(inputs(set, which, preprocess).reshape({20, 20, 3}), to_input(image, preprocess)));
    }
  }
}

TEST_CASE("pictures: augmentation is a function of seed, epoch and picture, not of threads or the batch") {
  PictureSet set = drawn_pictures(2, 4, 32, 1);
  data::Preprocess preprocess{.resize = 0, .crop = 24};
  data::Augment augment;
  std::vector<int64_t> all = {0, 1, 2, 3, 4, 5, 6, 7}, some = {5, 2};
  Tensor batch = augmented_inputs(set, all, preprocess, augment, 1, 1);
  int before = threads();
  set_threads(3);
  Tensor part = augmented_inputs(set, some, preprocess, augment, 1, 1);
  set_threads(before);
  CHECK(bit_equal(part.slice(0, 0, 1), batch.slice(0, 5, 6)));
  CHECK(bit_equal(part.slice(0, 1, 2), batch.slice(0, 2, 3)));
  CHECK(!bit_equal(batch, augmented_inputs(set, all, preprocess, augment, 1, 2)));
  CHECK(!bit_equal(batch, augmented_inputs(set, all, preprocess, augment, 2, 1)));
}

TEST_CASE("pictures: split keeps every class on both sides") {
  PictureSet set = drawn_pictures(3, 10, 4, 1);
  for (double share : {0.01, 0.2, 0.5, 0.99}) {
    auto [first, second] = split(set, share, 7);
    CHECK(first.size() + second.size() == 30);
    for (const PictureSet& part : {first, second}) {
      CHECK(part.classes == set.classes);
      CHECK(std::set<int64_t>(part.labels.begin(), part.labels.end()).size() == 3);
    }
    std::set<std::string> files(first.files.begin(), first.files.end());
    for (const std::string& file : second.files) CHECK(!files.contains(file));
  }
  CHECK(split(set, 0.2, 7).first.files == split(set, 0.2, 7).first.files);
  CHECK(split(set, 0.2, 7).first.files != split(set, 0.2, 8).first.files);
  CHECK(split(set, 0, 7).first.size() == 0);
}

TEST_CASE("pictures: the content's name changes with every part of it") {
  PictureSet set = drawn_pictures(2, 2, 4, 1);
  std::string name = content_sha256(set);
  PictureSet other = set;
  other.labels[0] = 1;
  CHECK(content_sha256(other) != name);
  other = set;
  other.files[1] += "x";
  CHECK(content_sha256(other) != name);
  other = set;
  other.classes[1] = "kind2";
  CHECK(content_sha256(other) != name);
  other = set;
  auto image = std::make_shared<data::Image>(*set.pixels[3]);
  image->rgb.back() ^= 1;
  other.pixels[3] = image;
  CHECK(content_sha256(other) != name);
  CHECK(content_sha256(set) == name);
}

TEST_CASE("pictures: RandAugment and erasing are a function of seed, epoch and picture, not of the batch") {
  PictureSet set = drawn_pictures(2, 6, 16, 1);
  data::Preprocess preprocess{.resize = 0, .crop = 16};
  data::Augment augment{.kind = data::Augment::Kind::pad_crop, .pad = 2, .rand_ops = 2, .erase = 0.5};
  auto made = [&](std::vector<int64_t> which, uint64_t seed, uint64_t epoch) {
    return augmented_inputs(set, which, preprocess, augment, seed, epoch);
  };
  Tensor all = made({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 1, 1), some = made({7, 2}, 1, 1);
  CHECK(bit_equal(some.slice(0, 0, 1).contiguous(), all.slice(0, 7, 8).contiguous()));
  CHECK(bit_equal(some.slice(0, 1, 2).contiguous(), all.slice(0, 2, 3).contiguous()));
  CHECK_FALSE(bit_equal(some, made({7, 2}, 1, 2)));
  CHECK_FALSE(bit_equal(some, made({7, 2}, 2, 1)));
  check_same_for_any_threads([&] { return std::vector{made({0, 5, 9, 3}, 4, 2)}; });
}
