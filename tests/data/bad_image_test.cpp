// Pictures that are refused: the I rows of the bad-input table, each with a message of its own.
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>

#include "data/image.h"
#include "tests/data/make_jpeg.h"
#include "tests/data/seeds.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

namespace {

void refuses(const std::string& what, const Bytes& file, std::vector<std::string> parts) {
  CAPTURE(what);
  parts.push_back("test.jpg: ");
  check_throws<DataError>([&] { decode(file, "test.jpg"); }, parts);
}

// A well-formed grey JPEG with one thing changed: DQT 0, SOF 1, DHT 2 and 3, SOS 4.
Bytes changed(const std::function<void(std::vector<JpegSegment>&)>& change, const FlatJpeg& file = {}) {
  auto segments = file.segments();
  change(segments);
  return jpeg_bytes(segments);
}
using Segments = std::vector<JpegSegment>;

// A small RGB PNG with one thing changed.
Bytes changed_png(const std::function<void(PngFile&)>& change) {
  PngFile file{.width = 2, .height = 2};
  file.rows(Bytes(14, 0));
  change(file);
  return file.bytes();
}

}  // namespace

TEST_CASE("I1: a JPEG that is cut is truncated, wherever") {
  for (const char* name :
       {"jpeg_444", "jpeg_420", "jpeg_progressive", "jpeg_grey", "jpeg_grey_progressive", "jpeg_cmyk"}) {
    Bytes file = image_seed(name).file;
    for (size_t percent : {25, 50, 75, 95, 99}) {
      Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(file.size() * percent / 100));
      refuses(str(name, " at ", percent, " %"), cut, {"truncated"});
    }
    // Every length from the magic number to the last data byte.
    for (size_t size = 3; size + 3 < file.size(); ++size) {
      Bytes cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(size));
      CAPTURE(size);
      CHECK_THROWS_AS(decode(cut, name), DataError);
    }
  }
}

TEST_CASE("I1: a cut JPEG is read on request, and its beginning is right") {
  for (const char* name : {"jpeg_444", "jpeg_420", "jpeg_grey"}) {
    CAPTURE(name);
    ImageSeed seed = image_seed(name);
    Bytes cut(seed.file.begin(), seed.file.end() - static_cast<ptrdiff_t>(seed.file.size() / 8));
    std::vector<std::string> warnings;
    DecodeOptions options;
    options.allow_truncated = true;
    options.warnings = &warnings;
    Image image = decode(cut, "test.jpg", options), whole = decode(seed.file, "test.jpg");
    CHECK(std::equal(image.rgb.begin(), image.rgb.begin() + 6 * image.width * 3, whole.rgb.begin()));
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].find("truncated") != std::string::npos);
    cut.resize(40);
    check_throws<DataError>([&] { decode(cut, "test.jpg", options); }, {"truncated"});
  }
}

TEST_CASE("I3: a small file with a thousand scans of a large picture is refused at once") {
  Bytes file = jpeg_bytes({{0xDB, Bytes(65, 1), {}},
                           {0xC2, {8, 4000 >> 8, 4000 & 255, 4000 >> 8, 4000 & 255, 1, 1, 0x11, 0}, {}},
                           {0xC4, FlatJpeg::dc_table(), {}},
                           {0xC4, FlatJpeg::ac_table(), {}}},
                          false);
  file[4] = 0;  // the table's number
  for (int scan = 0; scan < 1010; ++scan) append_segment(file, {0xDA, {1, 1, 0, 0, 0, 0}, Bytes(135, 0)});
  append(file, {0xFF, 0xD9});
  std::clock_t begin = std::clock();  // of this process: other programs' load does not count
  refuses("1,010 scans", file, {"1010 scans of 4000 x 4000", "1000000000"});
  CHECK(std::clock() - begin < CLOCKS_PER_SEC / 20);
}

TEST_CASE("I4: impossible sizes are refused before memory is taken") {
  auto sized = [](int width, int height) {
    return changed([&](Segments& s) {
      s[1].body[1] = static_cast<uint8_t>(height >> 8);
      s[1].body[2] = static_cast<uint8_t>(height);
      s[1].body[3] = static_cast<uint8_t>(width >> 8);
      s[1].body[4] = static_cast<uint8_t>(width);
    });
  };
  refuses("65,500 squared", sized(65500, 65500), {"65500 x 65500 pixels", "16384"});
  refuses("too many pixels", sized(12000, 12000), {"12000 x 12000 pixels", "100000000"});
  refuses("no width", sized(0, 10), {"0 x 10", "at least 1"});
  refuses("no height", sized(10, 0), {"10 x 0", "at least 1"});
  refuses("a large picture of little data", sized(9000, 9000), {"scan 1", "after"});
}

TEST_CASE("I5: markers out of order, missing and broken tables") {
  refuses("two frames", changed([](Segments& s) { s.insert(s.begin() + 2, s[1]); }), {"second frame"});
  Bytes twice = {0xFF, 0xD8};
  append(twice, FlatJpeg{}.bytes());
  refuses("two SOI", twice, {"byte 2", "second SOI"});
  refuses("SOS before SOF", changed([](Segments& s) { std::rotate(s.begin() + 1, s.begin() + 2, s.end()); }),
          {"before the frame"});
  refuses("no SOF", changed([](Segments& s) { s = {s[0]}; }), {"no frame"});
  refuses("no SOS", changed([](Segments& s) { s.pop_back(); }), {"no scan"});
  refuses("no DQT", changed([](Segments& s) { s.erase(s.begin()); }), {"quantisation table 0", "missing"});
  refuses("no DC table", changed([](Segments& s) { s.erase(s.begin() + 2); }),
          {"DC Huffman table 0", "missing"});
  refuses("no AC table", changed([](Segments& s) { s.erase(s.begin() + 3); }),
          {"AC Huffman table 0", "missing"});
  refuses("class 15", changed([](Segments& s) { s[2].body[0] = 0xF0; }), {"Huffman table 0 of class 15"});
  refuses("table 7", changed([](Segments& s) { s[2].body[0] = 7; }), {"Huffman table 7"});
  refuses("counts above 256", changed([](Segments& s) {
            s[2].body = Bytes(17 + 300, 0);
            s[2].body[15] = 150;
            s[2].body[16] = 150;
          }),
          {"300 codes"});
  refuses("more codes than bits", changed([](Segments& s) { s[2].body[1] = 3, s[2].body[4] = 9; }),
          {"more codes of 1 bits"});
  refuses("cut DHT", changed([](Segments& s) { s[2].body.pop_back(); }), {"Huffman table 0 is cut"});
  refuses("DHT of 5 bytes", changed([](Segments& s) { s[2].body.resize(5); }), {"Huffman table 0 is cut"});
  refuses("DQT 9", changed([](Segments& s) { s[0].body[0] = 9; }), {"quantisation table 9"});
  refuses("DQT precision 2", changed([](Segments& s) { s[0].body[0] = 0x20; }), {"precision 2"});
  refuses("DQT with 0", changed([](Segments& s) { s[0].body[9] = 0; }), {"quantisation table 0 holds a 0"});
  refuses("cut DQT", changed([](Segments& s) { s[0].body.resize(60); }), {"quantisation table 0 is cut"});
  refuses("SOF too long", changed([](Segments& s) { s[1].body.push_back(0); }), {"SOF segment"});
  refuses("sampling 0", changed([](Segments& s) { s[1].body[7] = 0x01; }), {"sampling factors 0 x 1"});
  refuses("sampling 5", changed([](Segments& s) { s[1].body[7] = 0x15; }), {"sampling factors 1 x 5"});
  FlatJpeg thirds{.components = {{1, 3, 1}, {2, 2, 1}, {3, 1, 1}}};
  refuses("sampling 3 : 2", thirds.bytes(), {"sampling factors 2 x 1 beside 3 x 1"});
  FlatJpeg twins{.components = {{1, 1, 1}, {1, 1, 1}, {3, 1, 1}}};
  refuses("equal numbers", twins.bytes(), {"two components have the number 1"});
  FlatJpeg many{.components = {{1, 4, 4}, {2, 1, 1}, {3, 1, 1}}};
  refuses("18 blocks", many.bytes(), {"18 blocks in an MCU"});
  refuses("unknown component", changed([](Segments& s) { s[4].body[1] = 9; }),
          {"component 9", "does not have"});
  refuses("table 5 in a scan", changed([](Segments& s) { s[4].body[2] = 0x50; }), {"Huffman tables 5 and 0"});
  refuses("SOS of no component", changed([](Segments& s) { s[4].body[0] = 0; }), {"SOS segment"});
  refuses("progressive settings", changed([](Segments& s) { s[4].body[5] = 0x10; }),
          {"progressive settings"});
  refuses("component twice", changed([](Segments& s) { s.push_back(s[4]); }), {"scan 2 repeats component 1"});
  refuses("DRI of 3 bytes", changed([](Segments& s) {
            s.insert(s.begin(), {0xDD, {1}, {}});
          }),
          {"DRI segment"});
  refuses("length 1", changed([](Segments& s) {
            s.insert(s.begin(), {0xE5, {0, 1}, {}, true});
          }),
          {"length 1"});
  refuses("unknown marker", changed([](Segments& s) {
            s.insert(s.begin(), {0xF3, {}, {}});
          }),
          {"unknown marker FFF3"});
  refuses("restart marker alone", changed([](Segments& s) {
            s.insert(s.begin(), {0xD3, {}, {}, true});
          }),
          {"restart marker outside of a scan"});
  refuses("bytes before the frame", changed([](Segments& s) {
            s[0].data = {1, 2, 3};
          }),
          {"3 bytes where a marker must"});
}

TEST_CASE("I5: progressive scans out of order") {
  auto segments = jpeg_segments(image_seed("jpeg_grey_progressive").file);
  std::vector<size_t> scans;
  for (size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].marker == 0xDA) scans.push_back(i);
  }
  REQUIRE(scans.size() >= 3);
  auto with = [&](const std::function<void(Segments&)>& change) {
    auto copy = segments;
    change(copy);
    return jpeg_bytes(copy);
  };
  refuses("AC before DC", with([&](Segments& s) { s.erase(s.begin() + static_cast<ptrdiff_t>(scans[0])); }),
          {"before its DC"});
  refuses("DC twice",
          with([&](Segments& s) { s.insert(s.begin() + static_cast<ptrdiff_t>(scans[0]), s[scans[0]]); }),
          {"repeats or skips bits of coefficient 0"});
  refuses("band 5 to 3", with([&](Segments& s) { s[scans[1]].body[3] = 5, s[scans[1]].body[4] = 3; }),
          {"band 5 to 3"});
  refuses("band 1 to 64", with([&](Segments& s) { s[scans[1]].body[4] = 64; }), {"band 1 to 64"});
  refuses("DC and AC in one", with([&](Segments& s) { s[scans[0]].body[4] = 5; }), {"band 0 to 5"});
  refuses("skipped bit", with([&](Segments& s) { s[scans[0]].body[5] = 0x31; }),
          {"refines bit 1 after bit 3"});
}

TEST_CASE("I6: kinds of JPEG that are not read are named") {
  auto kind = [](uint8_t sof, uint8_t precision = 8) {
    return FlatJpeg{.sof = sof, .precision = precision}.bytes();
  };
  refuses("12 bits", kind(0xC1, 12), {"12 bits a sample"});
  refuses("lossless", kind(0xC3), {"a lossless JPEG"});
  refuses("hierarchical", kind(0xC5), {"a hierarchical JPEG"});
  refuses("arithmetic", kind(0xC9), {"an arithmetic-coded JPEG"});
  refuses("arithmetic progressive", kind(0xCA), {"an arithmetic-coded JPEG"});
  refuses("lossless arithmetic", kind(0xCB), {"a lossless arithmetic-coded JPEG"});
  refuses("hierarchical arithmetic", kind(0xCD), {"a hierarchical arithmetic-coded JPEG"});
  refuses("DAC", changed([](Segments& s) {
            s.insert(s.begin(), {0xCC, {0, 1}, {}});
          }),
          {"an arithmetic-coded JPEG"});
  refuses("DHP", changed([](Segments& s) {
            s.insert(s.begin(), {0xDE, s[1].body, {}});
          }),
          {"a hierarchical JPEG"});
  refuses("DNL", changed([](Segments& s) { s.push_back({0xDC, {0, 8}, {}}); }), {"DNL"});
}

TEST_CASE("I7: components without a defined colour") {
  using Components = std::vector<FlatJpeg::Component>;
  refuses("2", FlatJpeg{.components = Components{{1, 1, 1}, {2, 1, 1}}}.bytes(), {"2 components"});
  refuses("5",
          FlatJpeg{.components = Components{{1, 1, 1}, {2, 1, 1}, {3, 1, 1}, {4, 1, 1}, {5, 1, 1}}}.bytes(),
          {"5 components"});
  FlatJpeg four{.components = {{1, 1, 1}, {2, 1, 1}, {3, 1, 1}, {4, 1, 1}}};
  refuses("4 without APP14", four.bytes(), {"4 components without Adobe's APP14"});
  Bytes adobe = bytes_of(std::string_view("Adobe\0\x64\0\0\0\0\x01", 12));
  refuses("4 with transform 1",
          changed(
              [&](Segments& s) {
                s.insert(s.begin(), {0xEE, adobe, {}});
              },
              four),
          {"4 components without Adobe's APP14"});
}

TEST_CASE("I8: restart markers, garbage and leftovers in the coded data") {
  FlatJpeg file{.width = 80, .restart_interval = 3};
  FlatJpeg missing = file, wrong = file;
  missing.skip_restart = 2;
  wrong.wrong_restart = 2;
  refuses("missing", missing.bytes(), {"data of scan 1 are damaged", "left over"});
  refuses("wrong", wrong.bytes(), {"marker FFD3 where restart marker RST2 must stand"});
  refuses("unannounced", changed([](Segments& s) { s.erase(s.begin() + 4); }, file),
          {"damaged", "of 20 blocks"});
  refuses("garbage behind",
          changed(
              [](Segments& s) {
                append(s.back().data, {1, 2, 3, 4});
              },
              file),
          {"4 bytes of data left over"});
  refuses("no code", changed([](Segments& s) { s.back().data[0] = 0xEE; }), {"damaged", "no Huffman code"});
  FlatJpeg wild{.width = 64, .height = 64};
  wild.level = [](int block) { return block % 2 ? 1000 : -1000; };
  refuses("beyond 8 bits",
          changed([](Segments& s) { std::fill(s[0].body.begin() + 1, s[0].body.end(), uint8_t{255}); }, wild),
          {"DC coefficient of -255000"});

  // Noise in place of the data: never accepted in silence.
  Rng rng(9);
  for (const char* name : {"jpeg_444", "jpeg_420", "jpeg_grey", "jpeg_progressive"}) {
    auto segments = jpeg_segments(image_seed(name).file);
    for (int i = 0; i < 50; ++i) {
      auto noisy = segments;
      for (JpegSegment& s : noisy) {
        for (uint8_t& byte : s.data) byte = static_cast<uint8_t>(rng.below(255));
      }
      refuses(str(name, " noise ", i), jpeg_bytes(noisy), {"scan 1", "damaged"});
    }
  }
}

TEST_CASE("I10: wrong checksums") {
  PngFile file{.width = 2, .height = 2};
  file.rows(Bytes(14, 0));
  Bytes wrong_crc = file.bytes();
  wrong_crc[wrong_crc.size() - 12 - 4] ^= 1;
  refuses("IDAT CRC", wrong_crc, {"CRC of the IDAT chunk at byte 33"});
  refuses("IHDR CRC",
          [&] {
            Bytes b = file.bytes();
            b[20] ^= 1;
            return b;
          }(),
          {"CRC of the IHDR chunk at byte 8"});
  refuses("text CRC", changed_png([](PngFile& f) {
            f.before = {{"tEXt", {1, 2}, true}};
          }),
          {"CRC of the tEXt chunk"});
  refuses("adler", changed_png([](PngFile& f) { f.idat[0].back() ^= 1; }), {"incorrect data check"});
  refuses("deflate", changed_png([](PngFile& f) { f.idat[0][2] = 0xFF; }), {"compressed data are damaged"});
}

TEST_CASE("I11, I12: bombs and empty promises") {
  refuses("1 x 1 with 32 MB", changed_png([](PngFile& f) {
            f.width = f.height = 1;
            f.rows(Bytes(32 << 20, 0));
          }),
          {"hold more than the 4 bytes that 1 x 1 pixels need"});
  auto claim = [](uint32_t side) {
    return changed_png([&](PngFile& f) {
      f.width = f.height = side;
      f.idat = {Bytes(100, 0)};
    });
  };
  refuses("20,000 squared", claim(20'000), {"20000 x 20000 pixels", "16384"});
  refuses("2^32 - 1 squared", claim(0xFFFFFFFF), {"4294967295 x 4294967295 pixels"});
  refuses("10,000 squared of 100 bytes", claim(10'000), {"truncated", "need 300010000 bytes"});
  refuses("one byte short", changed_png([](PngFile& f) { f.rows(Bytes(13, 0)); }),
          {"hold 13 bytes", "need 14"});
  refuses("one byte long", changed_png([](PngFile& f) { f.rows(Bytes(15, 0)); }),
          {"hold more than the 14 bytes"});
}

TEST_CASE("I13: header fields that do not exist") {
  refuses("0 x n", changed_png([](PngFile& f) { f.width = 0; }), {"0 x 2", "at least 1"});
  refuses("n x 0", changed_png([](PngFile& f) { f.height = 0; }), {"2 x 0", "at least 1"});
  refuses("depth 3", changed_png([](PngFile& f) { f.depth = 3; }), {"bit depth 3"});
  refuses("depth 4 of RGB", changed_png([](PngFile& f) { f.depth = 4; }), {"bit depth 4", "colour type 2"});
  refuses("depth 16 of a palette", changed_png([](PngFile& f) { f.depth = 16, f.colour = 3; }),
          {"bit depth 16", "colour type 3"});
  refuses("colour 1", changed_png([](PngFile& f) { f.colour = 1; }), {"colour type 1"});
  refuses("colour 7", changed_png([](PngFile& f) { f.colour = 7; }), {"colour type 7"});
  refuses("interlace 2", changed_png([](PngFile& f) { f.interlace = 2; }), {"interlace method 2"});
  refuses("compression 1", changed_png([](PngFile& f) { f.compression = 1; }), {"compression method 1"});
  refuses("filter method 1", changed_png([](PngFile& f) { f.filter = 1; }), {"filter method 1"});
  refuses("filter 9", changed_png([](PngFile& f) {
            Bytes raw(14, 0);
            raw[7] = 9;
            f.rows(raw);
          }),
          {"filter type 9 in row 1"});
}

TEST_CASE("I14: chunks missing, cut, out of order") {
  refuses("no IDAT", changed_png([](PngFile& f) { f.idat.clear(); }), {"no IDAT chunk"});
  refuses("empty IDAT", changed_png([](PngFile& f) { f.idat = {{}}; }), {"truncated", "0 of 14"});
  refuses("no IEND", changed_png([](PngFile& f) { f.end = false; }), {"truncated", "IEND chunk is missing"});
  refuses("no IHDR", changed_png([](PngFile& f) { f.header = false; }), {"IHDR must come first"});
  refuses("IHDR twice", changed_png([](PngFile& f) {
            f.before = {{"IHDR", Bytes(13, 0)}};
          }),
          {"IHDR must come first, and once"});
  refuses("split IDAT", changed_png([](PngFile& f) {
            f.after = {{"tEXt", {}}, {"IDAT", {}}};
          }),
          {"do not follow each other"});
  refuses("critical chunk", changed_png([](PngFile& f) {
            f.before = {{"ABCD", {}}};
          }),
          {"unknown critical chunk ABCD"});
  refuses("IEND with data", changed_png([](PngFile& f) {
            f.after = {{"IEND", {1}}};
          }),
          {"IEND chunk of 1 bytes"});
  refuses("no name", changed_png([](PngFile& f) {
            f.before = {{"a\n1!", {}}};
          }),
          {"not the name of a PNG chunk"});
  Bytes huge = changed_png([](PngFile&) {});
  huge[33] = 0x80;
  refuses("2^31 bytes", huge, {"IDAT chunk of 2147483", "2^31"});
  huge[33] = 0x7F;
  refuses("2^31 - 1 bytes", huge, {"truncated: the IDAT chunk at byte 33"});
  Bytes whole = image_seed("png_rgba").file;
  for (size_t size = 1; size < whole.size(); ++size) {
    refuses(str("cut at ", size), Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)),
            {"truncated"});
  }
}

TEST_CASE("I15: palettes") {
  auto palette = [](const std::function<void(PngFile&)>& change) {
    PngFile file{.width = 3, .height = 1, .depth = 4, .colour = 3};
    file.before = {{"PLTE", Bytes(9, 7)}};
    file.rows({0, 0x01, 0x20});
    change(file);
    return file.bytes();
  };
  CHECK(decode(palette([](PngFile&) {}), "good").width == 3);
  refuses("missing", palette([](PngFile& f) { f.before.clear(); }), {"without a PLTE chunk"});
  refuses("late", palette([](PngFile& f) { std::swap(f.before, f.after); }), {"without a PLTE chunk"});
  refuses("empty", palette([](PngFile& f) { f.before[0].data.clear(); }), {"PLTE chunk of 0 bytes"});
  refuses("10 bytes", palette([](PngFile& f) { f.before[0].data.resize(10); }), {"PLTE chunk of 10 bytes"});
  refuses("257 colours", palette([](PngFile& f) { f.before[0].data.resize(771); }),
          {"PLTE chunk of 771 bytes"});
  refuses("twice", palette([](PngFile& f) { f.before.push_back(f.before[0]); }), {"second or late PLTE"});
  refuses("index", palette([](PngFile& f) {
            f.rows({0, 0x01, 0x30});
          }),
          {"colour 3 in row 0, the palette has 3"});
  refuses("index by filter", palette([](PngFile& f) {
            f.rows({1, 0x01, 0x20}), f.rows({1, 0x21, 0x10});
          }),
          {"colour 3 in row 0"});
  refuses("tRNS too long", palette([](PngFile& f) {
            f.before.push_back({"tRNS", Bytes(4, 0)});
          }),
          {"tRNS chunk of 4 entries", "3"});
  refuses("tRNS first", palette([](PngFile& f) {
            f.before.insert(f.before.begin(), {"tRNS", Bytes(1, 0)});
          }),
          {"palette of 0"});
  refuses("tRNS of RGB", changed_png([](PngFile& f) {
            f.before = {{"tRNS", Bytes(2, 0)}};
          }),
          {"must be 6 for RGB"});
  refuses("tRNS beside alpha", changed_png([](PngFile& f) {
            f.colour = 6, f.before = {{"tRNS", Bytes(2, 0)}};
          }),
          {"has an alpha channel"});
}

TEST_CASE("I16: Apple's variant of PNG") {
  Bytes file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  PngFile::put(file, {"CgBI", {0x50, 0, 0x20, 2}});
  refuses("CgBI", file, {"Apple's CgBI"});
}

TEST_CASE("I17: other formats under the name of a picture are named") {
  auto is = [](std::string_view first_bytes, const char* kind) {
    Bytes file = bytes_of(first_bytes);
    file.resize(std::max<size_t>(file.size(), 64));
    refuses(kind, file, {kind, "not a JPEG or PNG"});
  };
  using namespace std::string_view_literals;
  is("GIF89a", "a GIF");
  is("BM\x46\0\0\0"sv, "a BMP");
  is("\0\0\x02\0\0\0\0\0\0\0\0\0\x10\0\x10\0\x18\0"sv, "a TGA");
  is("8BPS\0\1"sv, "a Photoshop file");
  is("#?RADIANCE\n", "a Radiance HDR picture");
  is("RIFF\x24\0\0\0WEBPVP8 "sv, "a WebP");
  is("\0\0\0\x18"
     "ftypheic"sv,
     "a HEIC");
  is("\0\0\0\x18"
     "ftypavif"sv,
     "an AVIF");
  is("II*\0\x08\0\0\0"sv, "a TIFF");
  is("MM\0*\0\0\0\x08"sv, "a TIFF");
  is("\0\0\0\x0CjP  \r\n"sv, "a JPEG 2000");
  is("\xFF\x0A\0\0"sv, "a JPEG XL");
  is("%PDF-1.7", "a PDF");
  is("\x01\x02\x03\x04\xFF\xFE"sv, "an unknown format (first bytes \"\\x01\\x02\\x03\\x04");
}

TEST_CASE("I18: files that are no pictures at all") {
  using namespace std::string_view_literals;
  refuses("empty", {}, {"empty"});
  refuses("1 byte", {0xFF}, {"truncated: only 1 bytes"});
  refuses("1 other byte", {0x01}, {"unknown format"});
  refuses("FFD8FF", {0xFF, 0xD8, 0xFF}, {"truncated"});
  refuses("PNG's first half", bytes_of("\x89PNG"), {"truncated: only 4 bytes"});
  refuses("text", bytes_of("not a picture\n"), {"text (\"not a picture", "not a JPEG or PNG"});
  refuses("a web page", bytes_of("<!DOCTYPE html><title>404"), {"a web page"});

  TempDir dir;
  check_throws<DataError>([&] { read_image(dir.path()); }, {dir.path(), "a folder, not a picture"});
  check_throws<DataError>([&] { read_image(dir / "gone.png"); },
                          {"gone.png", "cannot be read", "No such file"});
  REQUIRE(mkfifo((dir / "pipe.png").c_str(), 0600) == 0);
  check_throws<DataError>([&] { read_image(dir / "pipe.png"); }, {"pipe.png", "not a regular file"});
  std::ofstream(dir / "secret.png") << "x";
  std::filesystem::permissions(dir / "secret.png", std::filesystem::perms::none);
  // The superuser reads everything; then the file is refused for what it holds.
  check_throws<DataError>([&] { read_image(dir / "secret.png"); },
                          {"secret.png", geteuid() == 0 ? "text" : "Permission denied"});
  check_throws<DataError>([&] { decode({}, "a\nb\xFF.jpg"); }, {"a\\x0ab\\xff.jpg"});
}
