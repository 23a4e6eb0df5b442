// Pictures that are accepted, and what they become.
#include "data/image.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "data/exif.h"
#include "tests/data/make_jpeg.h"
#include "tests/data/seeds.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

struct Difference {
  int largest = 0;
  double mean = 0;
};
Difference difference(const Image& a, const Image& b) {
  REQUIRE(a.width == b.width);
  REQUIRE(a.height == b.height);
  Difference d;
  for (size_t i = 0; i < a.rgb.size(); ++i) {
    int one = std::abs(int{a.rgb[i]} - int{b.rgb[i]});
    d.largest = std::max(d.largest, one);
    d.mean += static_cast<double>(one) / static_cast<double>(a.rgb.size());
  }
  return d;
}

Image decoded(const Bytes& file, DecodeOptions options = {}) {
  return decode(file, "test", options);
}

// Decodes and returns what was told.
std::vector<std::string> warnings_of(const Bytes& file) {
  std::vector<std::string> warnings;
  DecodeOptions options;
  options.warnings = &warnings;
  decode(file, "test", options);
  return warnings;
}

void check_warning(const Bytes& file, const std::string& part) {
  auto warnings = warnings_of(file);
  REQUIRE(warnings.size() == 1);
  CHECK_MESSAGE(warnings[0].find(part) != std::string::npos,
                "\"" << warnings[0] << "\" lacks \"" << part << "\"");
}

// A grey picture, one block of 8 x 8 for each level.
std::vector<int> block_levels(const Image& image) {
  std::vector<int> out;
  for (int64_t y = 4; y < image.height; y += 8) {
    for (int64_t x = 4; x < image.width; x += 8) out.push_back(image.row(y)[3 * x] - 128);
  }
  return out;
}

// The body of an APP1 segment with one directory, of one entry: the orientation.
Bytes exif(int orientation, bool little) {
  Bytes out = bytes_of(std::string_view("Exif\0\0", 6));
  auto number = [&](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i)
      out.push_back(static_cast<uint8_t>(value >> 8 * (little ? i : bytes - 1 - i)));
  };
  append(out, bytes_of(little ? "II" : "MM"));
  number(42, 2);
  number(8, 4);       // the directory follows
  number(1, 2);       // one entry:
  number(0x0112, 2);  // orientation,
  number(3, 2);       // of type SHORT,
  number(1, 4);       // one value,
  number(static_cast<uint32_t>(orientation), 2);
  number(0, 2);
  number(8, 4);  // "the next directory" is this one again
  return out;
}

Bytes with_exif(const Bytes& jpeg, const Bytes& body) {
  auto segments = jpeg_segments(jpeg);
  segments.insert(segments.begin(), {0xE1, body, {}});
  return jpeg_bytes(segments);
}

}  // namespace

TEST_CASE("Pillow's files: PNG and JPEG pixels are equal") {
  auto seeds = image_seeds();
  REQUIRE(seeds.size() == 17);
  for (const ImageSeed& seed : seeds) {
    CAPTURE(seed.name);
    CHECK(warnings_of(seed.file).empty());
    CHECK(difference(decoded(seed.file), seed.pixels).largest <= (seed.name == "jpeg_cmyk" ? 1 : 0));
  }
}

TEST_CASE("the published photos are all read") {
  GRAFT_NEEDS_ASSETS();
  int64_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(env::assets() + "/photos")) {
    std::string extension = entry.path().extension();
    if (extension != ".jpg" && extension != ".png") continue;
    CAPTURE(entry.path().string());
    Image image = read_image(entry.path());
    CHECK(image.rgb.size() == static_cast<size_t>(image.width * image.height * 3));
    ++count;
  }
  CHECK(count == 1406);
}

TEST_CASE("I2: a missing end marker and bytes after the end are told, not refused") {
  for (const char* name : {"jpeg_420", "jpeg_progressive", "jpeg_grey"}) {
    CAPTURE(name);
    ImageSeed seed = image_seed(name);
    Bytes cut(seed.file.begin(), seed.file.end() - 2);
    check_warning(cut, "end marker (EOI) is missing");
    CHECK(decoded(cut) == decoded(seed.file));
    cut.push_back(0xFF);
    check_warning(cut, "end marker (EOI) is missing");
    Bytes more = seed.file;
    append(more, bytes_of("<more>"));
    check_warning(more, "6 bytes after the end");
    CHECK(decoded(more) == decoded(seed.file));
  }
  Bytes png = image_seed("png_rgb").file;
  png.push_back(0);
  check_warning(png, "1 bytes after the end");
}

TEST_CASE("blocks of one level decode to that level, for every sampling and restart interval") {
  for (int interval : {0, 1, 2, 5, 40}) {
    CAPTURE(interval);
    FlatJpeg grey{.width = 53, .height = 31, .restart_interval = interval};
    auto levels = block_levels(decoded(grey.bytes()));
    REQUIRE(levels.size() == 28);
    for (size_t i = 0; i < levels.size(); ++i) CHECK(levels[i] == static_cast<int>(i) % 7 * 10 - 30);
  }
  for (auto [h, v] : {std::pair{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}, {4, 2}}) {
    auto luma_h = static_cast<uint8_t>(h), luma_v = static_cast<uint8_t>(v);
    FlatJpeg colour{.width = 45, .height = 37, .components = {{1, luma_h, luma_v}, {2, 1, 1}, {3, 1, 1}}};
    colour.level = [](int) { return 0; };
    Image image = decoded(colour.bytes());
    CHECK(std::all_of(image.rgb.begin(), image.rgb.end(), [](uint8_t byte) { return byte == 128; }));
  }
}

TEST_CASE("I7: CMYK and YCCK with Adobe's segment") {
  ImageSeed seed = image_seed("jpeg_cmyk");
  CHECK(difference(decoded(seed.file), seed.pixels).largest <= 1);
  FlatJpeg four{.components = {{1, 1, 1}, {2, 1, 1}, {3, 1, 1}, {4, 1, 1}}};
  four.level = [](int block) { return block % 4 == 3 ? 127 : 0; };  // Y, Cb, Cr in the middle, no black
  auto segments = four.segments();
  Bytes adobe = bytes_of(std::string_view("Adobe\0\x64\0\0\0\0\x02", 12));
  segments.insert(segments.begin(), {0xEE, adobe, {}});
  Image image = decoded(jpeg_bytes(segments));
  CHECK(std::all_of(image.rgb.begin(), image.rgb.end(), [](uint8_t byte) { return byte == 127; }));
}

TEST_CASE("I8: fill bytes before markers are passed over, zero bytes behind the data are told") {
  Bytes file = FlatJpeg{.width = 40, .restart_interval = 2}.bytes();
  Bytes filled;
  for (size_t i = 0; i < file.size(); ++i) {
    bool marker = file[i] == 0xFF && i + 1 < file.size() && file[i + 1] != 0 && i > 0;
    if (marker) append(filled, {0xFF, 0xFF});
    filled.push_back(file[i]);
  }
  CHECK(filled.size() > file.size() + 20);
  CHECK(warnings_of(filled).empty());
  CHECK(decoded(filled) == decoded(file));

  Bytes padded(file.begin(), file.end() - 2);
  append(padded, {0, 0, 0, 0xFF, 0xD9});
  check_warning(padded, "3 zero bytes after the data of scan 1");
  CHECK(decoded(padded) == decoded(file));

  Bytes stray = image_seed("jpeg_grey").file;
  auto segments = jpeg_segments(stray);
  segments.back().data.insert(segments.back().data.end(),
                              {0xFF, 0xFE, 0, 3, 'x', 'y', 'z'});  // a comment, 2 too long
  check_warning(jpeg_bytes(segments), "2 stray bytes");
}

TEST_CASE("I9: EXIF orientation is ignored unless asked for") {
  Bytes jpeg = FlatJpeg{.width = 24, .height = 16}.bytes();
  Image plain = decoded(jpeg);
  // Which corner of the file is shown at the top left and at the top right: TL 0, TR 1, BL 2, BR 3.
  constexpr int kTopLeft[] = {0, 1, 3, 2, 0, 2, 3, 1}, kTopRight[] = {1, 0, 2, 3, 2, 0, 1, 3};
  auto corner = [](const Image& image, int which) {
    return image.row(which / 2 ? image.height - 1 : 0)[3 * (which % 2 ? image.width - 1 : 0)];
  };
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (bool little : {false, true}) {
      CAPTURE(orientation);
      Bytes file = with_exif(jpeg, exif(orientation, little));
      CHECK(decoded(file) == plain);
      Image shown = decoded(file, {.exif_orient = true});
      CHECK(shown.width == (orientation >= 5 ? 16 : 24));
      CHECK(corner(shown, 0) == corner(plain, kTopLeft[orientation - 1]));
      CHECK(corner(shown, 1) == corner(plain, kTopRight[orientation - 1]));
    }
  }
  // Nonsense is no orientation.
  Bytes loop = exif(6, true);
  loop[10] = 0;  // the directory at byte 0 of the TIFF: its own header
  Bytes far = exif(6, true);
  far[12] = 0x7F;
  Bytes many = exif(6, true);
  many[14] = many[15] = 0xFF;  // 65,535 entries
  many[16] = 0x13;
  Bytes cut = exif(6, true);
  cut.resize(20);
  for (const Bytes& body : {exif(9, true), exif(0, false), loop, far, many, cut, bytes_of("Exif"), Bytes{}}) {
    CHECK(decoded(with_exif(jpeg, body), {.exif_orient = true}) == plain);
  }
}

TEST_CASE("I14: data in chunks of one byte and empty chunks are fine") {
  Bytes raw = {0, 10, 20, 30, 40, 50, 60, 1, 1, 1, 1, 1, 1, 1};
  PngFile whole{.width = 2, .height = 2};
  whole.rows(raw);
  PngFile split = whole;
  split.idat.clear();
  split.idat.push_back({});
  for (uint8_t byte : whole.idat[0]) {
    split.idat.push_back({byte});
    split.idat.push_back({});
  }
  Image image = decoded(whole.bytes());
  CHECK(image.rgb == Bytes{10, 20, 30, 40, 50, 60, 1, 1, 1, 2, 2, 2});
  CHECK(decoded(split.bytes()) == image);
}

TEST_CASE("I16: every depth and colour type has its defined result") {
  struct Case {
    const char* name;
    uint8_t depth, colour;
    uint32_t width;
    Bytes row, rgb;
  };
  const Case cases[] = {
      {"grey 1 bit", 1, 0, 3, {0b10100000}, {255, 255, 255, 0, 0, 0, 255, 255, 255}},
      {"grey 2 bit", 2, 0, 3, {0b00011000}, {0, 0, 0, 85, 85, 85, 170, 170, 170}},
      {"grey 4 bit", 4, 0, 2, {0x0A}, {0, 0, 0, 170, 170, 170}},
      {"grey 8 bit", 8, 0, 2, {7, 250}, {7, 7, 7, 250, 250, 250}},
      {"grey 16 bit: the upper half stays", 16, 0, 2, {7, 255, 250, 0}, {7, 7, 7, 250, 250, 250}},
      {"RGB 16 bit", 16, 2, 1, {1, 255, 2, 255, 3, 255}, {1, 2, 3}},
      {"grey and alpha: alpha is dropped", 8, 4, 2, {7, 0, 250, 128}, {7, 7, 7, 250, 250, 250}},
      {"grey and alpha 16 bit", 16, 4, 1, {7, 9, 0, 0}, {7, 7, 7}},
      {"RGBA: alpha is dropped", 8, 6, 1, {1, 2, 3, 0}, {1, 2, 3}},
      {"RGBA 16 bit", 16, 6, 1, {1, 9, 2, 9, 3, 9, 0, 0}, {1, 2, 3}},
      {"palette 1 bit", 1, 3, 2, {0b10000000}, {4, 5, 6, 1, 2, 3}},
      {"palette 2 bit", 2, 3, 2, {0b10000000}, {7, 8, 9, 1, 2, 3}},
      {"palette 4 bit", 4, 3, 2, {0x12}, {4, 5, 6, 7, 8, 9}},
      {"palette 8 bit", 8, 3, 2, {2, 0}, {7, 8, 9, 1, 2, 3}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    PngFile file{.width = c.width, .height = 1, .depth = c.depth, .colour = c.colour};
    if (c.colour == 3) file.before = {{"PLTE", {1, 2, 3, 4, 5, 6, 7, 8, 9}}, {"tRNS", {0, 128}}};
    Bytes raw = {0};
    append(raw, c.row);
    CHECK(decoded(file.rows(raw).bytes()).rgb == c.rgb);
  }
}

TEST_CASE("I16: Adam7 of 7 x 5, and the first picture of an APNG") {
  Image expected(7, 5);
  for (int64_t i = 0; i < 35 * 3; ++i) expected.rgb[static_cast<size_t>(i)] = static_cast<uint8_t>(i * 2);
  constexpr int x0[] = {0, 4, 0, 2, 0, 1, 0}, y0[] = {0, 0, 4, 0, 2, 0, 1};
  constexpr int dx[] = {8, 8, 4, 4, 2, 2, 1}, dy[] = {8, 8, 8, 4, 4, 2, 2};
  Bytes raw;
  for (int pass = 0; pass < 7; ++pass) {
    for (int y = y0[pass]; y < 5; y += dy[pass]) {
      if (x0[pass] < 7) raw.push_back(0);
      for (int x = x0[pass]; x < 7; x += dx[pass])
        raw.insert(raw.end(), expected.row(y) + 3 * x, expected.row(y) + 3 * x + 3);
    }
  }
  PngFile adam7{.width = 7, .height = 5, .interlace = 1};
  CHECK(decoded(adam7.rows(raw).bytes()) == expected);

  PngFile apng{.width = 1, .height = 1};
  apng.rows({0, 1, 2, 3});
  apng.before = {{"acTL", Bytes(8, 1)}, {"fcTL", Bytes(26, 0)}};
  apng.after = {{"fcTL", Bytes(26, 0)}, {"fdAT", Bytes(20, 9)}};
  CHECK(decoded(apng.bytes()).rgb == Bytes{1, 2, 3});
}

TEST_CASE("a PNG that was written reads back, and a disk that is not there is a DiskError") {
  Rng rng(5);
  for (auto [width, height] : {std::pair{1, 1}, {7, 3}, {64, 48}}) {
    Image image(width, height);
    for (uint8_t& byte : image.rgb) byte = static_cast<uint8_t>(rng.bits());
    CHECK(decoded(encode_png(image)) == image);
  }
  TempDir dir;
  Image image(2, 2);
  write_png(dir / "a.png", image);
  CHECK(read_image(dir / "a.png") == image);
  CHECK_THROWS_AS(write_png(dir / "nowhere/a.png", image), DiskError);
  CHECK_THROWS_AS(encode_png(Image()), DataError);
}
