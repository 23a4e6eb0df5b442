#include "data/dataset.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/parallel.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;
namespace fs = std::filesystem;

namespace {

// A small picture whose colours are a function of `seed`.
Image picture(uint64_t seed, int64_t width = 40, int64_t height = 36) {
  Image image(width, height);
  Rng rng(seed);
  for (uint8_t& byte : image.rgb) byte = static_cast<uint8_t>(rng.bits());
  return image;
}

void put(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

void put_picture(const std::string& path, uint64_t seed) {
  std::vector<uint8_t> png = encode_png(picture(seed));
  put(path, {png.begin(), png.end()});
}

std::vector<std::string> names(const std::vector<Sample>& samples) {
  std::vector<std::string> out;
  for (const Sample& s : samples) out.push_back(s.file);
  return out;
}

// Two classes with `count` pictures each.
void two_classes(const std::string& root, int count) {
  for (int i = 0; i < count; ++i) {
    put_picture(str(root, "/a/", i, ".png"), static_cast<uint64_t>(i));
    put_picture(str(root, "/b/", i, ".png"), static_cast<uint64_t>(100 + i));
  }
}

}  // namespace

TEST_CASE(
    "a folder of class folders: classes and files in byte order, other files counted, deeper folders "
    "included") {
  test::TempDir dir;
  for (const char* file :
       {"/b/2.png", "/b/10.PNG", "/b/deep/x.jpeg", "/Z/1.jpg", "/\xC3\xA4/1.jpg", "/b/.hidden.png"}) {
    put(str(dir.path(), file), "x");
  }
  put(dir / "b/notes.txt", "x");
  put(dir / "readme.md", "x");
  Dataset set = scan_folder(str(dir.path(), "/"), {.test_share = 0});
  CHECK(set.classes == std::vector<std::string>{"Z", "b", "\xC3\xA4"});
  CHECK(names(set.train) ==
        std::vector<std::string>{"Z/1.jpg", "b/10.PNG", "b/2.png", "b/deep/x.jpeg", "\xC3\xA4/1.jpg"});
  CHECK(set.train[1].label == 1);
  CHECK(set.train[4].label == 2);
  CHECK(set.test.empty());
  CHECK(set.ignored == 1);
  CHECK(set.path(set.train[0]) == dir / "Z/1.jpg");
}

TEST_CASE("train/ with test/ or val/; a class may be called train") {
  for (const char* held_out : {"test", "val", "validation"}) {
    test::TempDir dir;
    two_classes(dir / "train", 2);
    put_picture(str(dir.path(), "/", held_out, "/b/1.png"), 1);
    Dataset set = scan_folder(dir.path());
    CHECK(names(set.train) ==
          std::vector<std::string>{"train/a/0.png", "train/a/1.png", "train/b/0.png", "train/b/1.png"});
    CHECK(names(set.test) == std::vector<std::string>{str(held_out, "/b/1.png")});
    CHECK(set.test[0].label == 1);
    CHECK(set.test_from == std::string(held_out == std::string("test") ? "test" : "val"));
  }
  test::TempDir dir;
  put(dir / "bus/1.jpg", "x");
  put(dir / "train/1.jpg", "x");
  CHECK(scan_folder(dir.path()).classes == std::vector<std::string>{"bus", "train"});
  test::TempDir alone;
  two_classes(alone / "train", 5);
  Dataset set = scan_folder(alone.path());
  CHECK(set.train.size() == 8);
  CHECK(set.test.size() == 2);
  CHECK(set.test_from == "split");
}

TEST_CASE("split: class by class, a function of the seed, never a class without training pictures") {
  std::vector<Sample> samples;
  for (int64_t label = 0; label < 3; ++label) {
    for (int64_t i = 0; i < (label == 2 ? 1 : 10 * (label + 1)); ++i)
      samples.push_back({str(label, "/", i), label});
  }
  Split a = split(samples, 0.2, 5), b = split(samples, 0.2, 5), c = split(samples, 0.2, 6);
  CHECK(a.second == b.second);
  CHECK(a.second != c.second);
  auto count = [](const std::vector<Sample>& s, int64_t label) {
    return std::count_if(s.begin(), s.end(), [&](const Sample& x) { return x.label == label; });
  };
  CHECK(count(a.second, 0) == 2);
  CHECK(count(a.second, 1) == 4);
  CHECK(count(a.second, 2) == 0);
  CHECK(a.first.size() + a.second.size() == samples.size());
  CHECK(count(split(samples, 0.999, 1).first, 0) == 1);
  CHECK(count(split(samples, 0.001, 1).second, 0) == 1);
  CHECK(split(samples, 0, 1).second.empty());
  CHECK_THROWS_AS(split(samples, 1, 1), Error);
}

TEST_CASE("data sets that cannot be learned from, each with its own message") {
  test::TempDir dir;
  auto refuses = [&](const std::string& root, std::vector<std::string> parts) {
    CAPTURE(root);
    test::check_throws<DataError>([&] { scan_folder(root); }, parts);
  };
  refuses(dir / "nowhere", {"nowhere", "no such folder"});
  put(dir / "file", "x");
  refuses(dir / "file", {"a file; give a folder"});
  fs::create_directories(dir / "empty");
  refuses(dir / "empty", {"no class folders"});

  put(dir / "one/rose/1.jpg", "x");
  refuses(dir / "one", {"only one class, \"rose\"", "at least two"});

  put(dir / "hollow/rose/1.jpg", "x");
  put(dir / "hollow/tulip/1.gif", "x");
  refuses(dir / "hollow", {"hollow/tulip", "no pictures", "1 other files"});

  put(dir / "case/Rose/1.jpg", "x");
  put(dir / "case/rose/1.jpg", "x");
  refuses(dir / "case", {"\"Rose\" and \"rose\" differ only by case"});

  put(dir / "loop/a/1.jpg", "x");
  put(dir / "loop/b/1.jpg", "x");
  fs::create_directory_symlink(dir / "loop/b", dir / "loop/b/again");
  refuses(dir / "loop", {"loop/b/again", "leads back to a folder above it"});

  put(dir / "self/a/1.jpg", "x");
  put(dir / "self/b/1.jpg", "x");
  fs::create_symlink("me.jpg", dir / "self/b/me.jpg");
  refuses(dir / "self", {"self/b/me.jpg", "a link that leads to itself"});

  put(dir / "latin/a/1.jpg", "x");
  put(dir / "latin/b/t\xFClip.jpg", "x");
  refuses(dir / "latin", {"latin/b/t\\xfclip.jpg", "not UTF-8"});
  put(dir / "latin2/a/1.jpg", "x");
  put(dir / "latin2/\xFC/1.jpg", "x");
  refuses(dir / "latin2", {"latin2/\\xfc", "not UTF-8"});

  two_classes(dir / "extra/train", 1);
  put(dir / "extra/val/a/1.jpg", "x");
  put(dir / "extra/val/c/1.jpg", "x");
  refuses(dir / "extra", {"extra/val/c", "\"c\" is not in train/"});

  two_classes(dir / "notest/train", 1);
  fs::create_directories(dir / "notest/test");
  refuses(dir / "notest", {"notest/test: no pictures"});

  test::check_throws<UsageError>([&] { scan_folder(dir.path(), {.test_share = 1.5}); }, {"test share 1.5"});
}

TEST_CASE("a link to a folder elsewhere is followed, and a link to nowhere is an unreadable picture") {
  test::TempDir dir;
  two_classes(dir / "real", 2);
  fs::create_directories(dir / "set");
  fs::create_directory_symlink(dir / "real/a", dir / "set/a");
  put_picture(dir / "set/b/1.png", 1);
  fs::create_symlink("gone.png", dir / "set/b/link.png");
  Dataset set = scan_folder(dir / "set", {.test_share = 0});
  CHECK(names(set.train) == std::vector<std::string>{"a/0.png", "a/1.png", "b/1.png", "b/link.png"});
  test::check_throws<DataError>([&] { read_images(set, set.train); }, {"b/link.png", "cannot be read"});
  CHECK(read_images(set, set.train, {.skip_bad = true}).bad.size() == 1);
}

TEST_CASE(
    "a batch: rows in the order asked for, the same for any thread count, bad pictures left out on request") {
  test::TempDir dir;
  two_classes(dir.path(), 6);
  Dataset set = scan_folder(dir.path(), {.test_share = 0});
  Preprocess p{.resize = 20, .crop = 16};
  std::vector<int64_t> order = {7, 0, 3, 11, 5};
  BatchOptions augmented;
  augmented.augment = Augment{};
  augmented.seed = 3;
  augmented.epoch = 2;
  int before = threads();
  set_threads(1);
  Batch plain = load_batch(set, set.train, order, p),
        random = load_batch(set, set.train, order, p, augmented);
  set_threads(4);
  CHECK(bit_equal(plain.images, load_batch(set, set.train, order, p).images));
  CHECK(bit_equal(random.images, load_batch(set, set.train, order, p, augmented).images));
  set_threads(before);

  CHECK(plain.images.shape() == Shape{5, 16, 16, 3});
  CHECK(plain.sample == order);
  for (size_t i = 0; i < order.size(); ++i) {
    const Sample& sample = set.train[static_cast<size_t>(order[i])];
    CHECK(plain.labels.data<int64_t>()[i] == sample.label);
    auto row = static_cast<int64_t>(i);
    CHECK(bit_equal(plain.images.slice(0, row, row + 1).reshape({16, 16, 3}).clone(),
                    to_input(read_image(set.path(sample)), p)));
  }
  // A picture's augmentation does not depend on its batch, but on the epoch and the seed.
  std::vector<int64_t> alone = {11};
  CHECK(bit_equal(load_batch(set, set.train, alone, p, augmented).images,
                  random.images.slice(0, 3, 4).clone()));
  augmented.epoch = 3;
  CHECK_FALSE(bit_equal(load_batch(set, set.train, order, p, augmented).images, random.images));

  put(dir / "b/1.png", "no picture");  // sample 7
  fs::remove(dir / "a/3.png");         // sample 3, deleted between scan and read
  test::check_throws<DataError>([&] { load_batch(set, set.train, order, p); }, {"b/1.png", "text"});
  BatchOptions skip;
  skip.skip_bad = true;
  Batch rest = load_batch(set, set.train, order, p, skip);
  CHECK(rest.sample == std::vector<int64_t>{0, 11, 5});
  REQUIRE(rest.bad.size() == 2);
  CHECK(rest.bad[0].sample == 7);
  CHECK(rest.bad[1].sample == 3);
  CHECK(rest.bad[1].reason.find("No such file") != std::string::npos);
  CHECK(bit_equal(rest.images.slice(0, 1, 2).clone(), plain.images.slice(0, 3, 4).clone()));
  CHECK(rest.labels.data<int64_t>()[2] == 0);
}

TEST_CASE("the data set's hash changes with a name, a class, a byte or the order, and with nothing else") {
  test::TempDir dir;
  two_classes(dir / "x", 2);
  fs::copy(dir / "x", dir / "y", fs::copy_options::recursive);
  Dataset x = scan_folder(dir / "x", {.test_share = 0}), y = scan_folder(dir / "y", {.test_share = 0});
  std::string hash = content_sha256(x, x.train);
  CHECK(hash == content_sha256(y, y.train));
  std::swap(y.train[0], y.train[1]);
  CHECK(hash != content_sha256(y, y.train));
  std::swap(y.train[0], y.train[1]);
  put_picture(dir / "y/a/0.png", 77);
  CHECK(hash != content_sha256(y, y.train));
  x.classes = {"c", "b"};
  CHECK(hash != content_sha256(x, x.train));
}
