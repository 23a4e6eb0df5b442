#include "data/png_check.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace graft::data {
namespace {

constexpr size_t kSignatureBytes = 8;

uint32_t big_endian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | uint32_t{p[3]};
}

void put_big_endian(std::vector<uint8_t>& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
}

struct Header {
  int64_t width = 0, height = 0;
  int depth = 0, colour = 0;
  bool interlaced = false;

  int channels() const { return colour == 0 || colour == 3 ? 1 : colour == 2 ? 3 : colour == 4 ? 2 : 4; }
  int64_t row_bytes(int64_t pixels) const { return (pixels * depth * channels() + 7) / 8; }
};

// The rectangles of rows that the data consists of: the picture, or Adam7's seven passes.
struct Pass {
  int64_t width, height;
};
std::vector<Pass> passes(const Header& h) {
  if (!h.interlaced) return {{h.width, h.height}};
  constexpr int x0[] = {0, 4, 0, 2, 0, 1, 0}, y0[] = {0, 0, 4, 0, 2, 0, 1};
  constexpr int dx[] = {8, 8, 4, 4, 2, 2, 1}, dy[] = {8, 8, 8, 4, 4, 2, 2};
  std::vector<Pass> out;
  for (int i = 0; i < 7; ++i) {
    Pass pass{(h.width - x0[i] + dx[i] - 1) / dx[i], (h.height - y0[i] + dy[i] - 1) / dy[i]};
    if (pass.width > 0 && pass.height > 0) out.push_back(pass);
  }
  return out;
}

class Checker {
 public:
  Checker(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options)
      : bytes_(bytes), name_(name), options_(options) {}

  PngInfo run() {
    size_t at = kSignatureBytes;
    while (!ended_) at = chunk(at);
    if (at < bytes_.size()) warn(bytes_.size() - at, " bytes after the end of the PNG are ignored");
    check(begun_, "no IDAT chunk: the picture has no data");
    check(stream_ended_, "truncated: the compressed data end after ", raw_size() - stream_.avail_out, " of ",
          raw_.size(), " bytes");
    check_rows();
    return {header_.width, header_.height, clean_file(), keeps_alpha()};
  }
  ~Checker() {
    if (begun_) inflateEnd(&stream_);
  }
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

 private:
  template <class... Parts>
  void check(bool holds, const Parts&... parts) const {
    if (!holds) fail<DataError>(name_, ": ", parts...);
  }
  template <class... Parts>
  void warn(const Parts&... parts) const {
    if (options_.warnings) options_.warnings->push_back(str(name_, ": ", parts...));
  }

  // Checks the chunk at `at` and returns where the next one begins.
  size_t chunk(size_t at) {
    check(bytes_.size() - at >= 12, "truncated: the chunk at byte ", at,
          " is cut, the IEND chunk is missing");
    uint32_t length = big_endian(&bytes_[at]);
    std::string_view type(reinterpret_cast<const char*>(&bytes_[at + 4]), 4);
    auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
    check(std::all_of(type.begin(), type.end(), letter), "byte ", at, ": \"", printable(type),
          "\" is not the name of a PNG chunk");
    check(length < 0x80000000u, "byte ", at, ": ", type, " chunk of ", length, " bytes, more than 2^31 - 1");
    check(length <= bytes_.size() - at - 12, "truncated: the ", type, " chunk at byte ", at, " has ", length,
          " bytes, the file ends before");
    auto data = bytes_.subspan(at + 8, length);
    uint32_t stored = big_endian(&bytes_[at + 8 + length]);
    auto computed = static_cast<uint32_t>(crc32(0, &bytes_[at + 4], static_cast<uInt>(length + 4)));
    check(stored == computed, "the CRC of the ", type, " chunk at byte ", at,
          " is wrong: the file is damaged");
    use(type, data, at);
    last_ = type;
    return at + 12 + length;
  }

  void use(std::string_view type, std::span<const uint8_t> data, size_t at) {
    check(type != "CgBI", "Apple's CgBI variant of PNG (from an iOS app); convert it to PNG");
    check((type == "IHDR") == (at == kSignatureBytes), "byte ", at, ": ", type,
          " chunk; IHDR must come first, and once");
    if (type == "IHDR") {
      read_header(data);
    } else if (type == "PLTE") {
      check(palette_.empty() && !begun_, "byte ", at, ": a second or late PLTE chunk");
      check(!data.empty() && data.size() % 3 == 0 && data.size() <= 768, "PLTE chunk of ", data.size(),
            " bytes, must be 3 to 768 in steps of 3");
      palette_.assign(data.begin(), data.end());
    } else if (type == "tRNS") {
      check_transparency(data, at);
    } else if (type == "IDAT") {
      check(!begun_ || last_ == "IDAT", "byte ", at, ": the IDAT chunks do not follow each other");
      if (!begun_) begin(bytes_.size() - at);
      inflate_part(data);
    } else if (type == "IEND") {
      check(data.empty(), "IEND chunk of ", data.size(), " bytes, must be empty");
      ended_ = true;
    } else {
      // The case of the first letter says whether a decoder may pass over a chunk that it does not know.
      check(type[0] >= 'a', "byte ", at, ": unknown critical chunk ", type);
    }
  }

  void read_header(std::span<const uint8_t> data) {
    check(data.size() == 13, "IHDR chunk of ", data.size(), " bytes, must be 13");
    header_.width = big_endian(&data[0]);
    header_.height = big_endian(&data[4]);
    header_.depth = data[8];
    header_.colour = data[9];
    check_size(header_.width, header_.height, name_);
    int d = header_.depth, c = header_.colour;
    check(c == 0 || c == 2 || c == 3 || c == 4 || c == 6, "colour type ", c, ", must be 0, 2, 3, 4 or 6");
    bool small = d == 1 || d == 2 || d == 4;
    check(d == 8 || (d == 16 && c != 3) || (small && (c == 0 || c == 3)), "bit depth ", d,
          " does not exist for colour type ", c);
    check(data[10] == 0, "compression method ", int{data[10]}, ", must be 0");
    check(data[11] == 0, "filter method ", int{data[11]}, ", must be 0");
    check(data[12] <= 1, "interlace method ", int{data[12]}, ", must be 0 or 1");
    header_.interlaced = data[12] == 1;
    std::copy(data.begin(), data.end(), header_bytes_.begin());
  }

  // Mostly transparency is dropped, but a wrong chunk is a sign of damage.
  void check_transparency(std::span<const uint8_t> data, size_t at) {
    check(!has_transparency_ && !begun_, "byte ", at, ": a second or late tRNS chunk");
    transparency_.assign(data.begin(), data.end());
    has_transparency_ = true;
    switch (header_.colour) {
      case 0: check(data.size() == 2, "tRNS chunk of ", data.size(), " bytes, must be 2 for grey"); break;
      case 2: check(data.size() == 6, "tRNS chunk of ", data.size(), " bytes, must be 6 for RGB"); break;
      case 3:
        check(data.size() <= palette_.size() / 3, "tRNS chunk of ", data.size(), " entries for a palette of ",
              palette_.size() / 3);
        break;
      default: check(false, "tRNS chunk in a picture that has an alpha channel");
    }
  }

  // `rest`: bytes from here to the end of the file.
  void begin(size_t rest) {
    check(header_.colour != 3 || !palette_.empty(), "a palette picture without a PLTE chunk before its data");
    int64_t total = 0;
    for (const Pass& pass : passes(header_)) total += pass.height * (1 + header_.row_bytes(pass.width));
    // Deflate makes at most 1032 bytes from one, so a small file cannot ask for much memory.
    check(total / 1032 <= static_cast<int64_t>(rest), "truncated: ", header_.width, " x ", header_.height,
          " pixels need ", total, " bytes, which ", rest, " compressed bytes cannot hold");
    raw_.resize(static_cast<size_t>(total));
    stream_ = z_stream{};
    GRAFT_CHECK_AS(MemoryError, inflateInit(&stream_) == Z_OK, name_, ": no memory to inflate it");
    begun_ = true;
    stream_.next_out = raw_.data();
    stream_.avail_out = static_cast<uInt>(raw_.size());
  }

  size_t raw_size() const { return raw_.size(); }

  void inflate_part(std::span<const uint8_t> data) {
    stream_.next_in = const_cast<Bytef*>(data.data());
    stream_.avail_in = static_cast<uInt>(data.size());
    uint8_t beyond = 0;
    while (stream_.avail_in > 0 && !stream_ended_) {
      // With the raw data complete the stream must end: one more byte is one too many.
      bool full = stream_.avail_out == 0;
      if (full) {
        stream_.next_out = &beyond;
        stream_.avail_out = 1;
      }
      int result = inflate(&stream_, Z_NO_FLUSH);
      bool overrun = full && stream_.avail_out == 0;
      if (full) stream_.avail_out = 0;
      check(!overrun, "the compressed data hold more than the ", raw_.size(), " bytes that ", header_.width,
            " x ", header_.height, " pixels need");
      GRAFT_CHECK_AS(MemoryError, result != Z_MEM_ERROR, name_, ": no memory to inflate it");
      check(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR,
            "the compressed data are damaged (", stream_.msg ? stream_.msg : "zlib error", ")");
      stream_ended_ = result == Z_STREAM_END;
      check(!stream_ended_ || stream_.avail_out == 0, "truncated: the compressed data hold ",
            raw_.size() - stream_.avail_out, " bytes, ", header_.width, " x ", header_.height,
            " pixels need ", raw_.size());
      if (result == Z_BUF_ERROR && !full) break;
    }
    if (stream_ended_ && stream_.avail_in > 0)
      warn(stream_.avail_in, " bytes after the compressed data are ignored");
  }

  // Filter types, and for a palette picture every index.
  void check_rows() {
    uint8_t* p = raw_.data();
    const size_t colours = palette_.size() / 3;
    std::vector<uint8_t> previous, row;
    for (const Pass& pass : passes(header_)) {
      const auto n = static_cast<size_t>(header_.row_bytes(pass.width));
      if (header_.colour == 3) previous.assign(n, 0);
      for (int64_t y = 0; y < pass.height; ++y, p += 1 + n) {
        check(p[0] <= 4, "filter type ", int{p[0]}, " in row ", y, ", must be 0 to 4");
        if (header_.colour != 3) continue;
        row.assign(p + 1, p + 1 + n);
        unfilter(p[0], previous, row);
        for (int64_t x = 0; x < pass.width; ++x) {
          int64_t bit = x * header_.depth;
          int shift = 8 - header_.depth - static_cast<int>(bit % 8);
          size_t index = row[static_cast<size_t>(bit / 8)] >> shift & ((1u << header_.depth) - 1);
          check(index < colours, "colour ", index, " in row ", y, ", the palette has ", colours);
        }
        previous.swap(row);
      }
    }
  }

  // Undoes a row's filter in place; the pixels of a palette picture have one byte or less.
  static void unfilter(int type, const std::vector<uint8_t>& up, std::vector<uint8_t>& row) {
    for (size_t i = 0; i < row.size(); ++i) {
      int a = i > 0 ? row[i - 1] : 0, b = up[i], c = i > 0 ? up[i - 1] : 0;
      int add = 0;
      if (type == 1) add = a;
      if (type == 2) add = b;
      if (type == 3) add = (a + b) / 2;
      if (type == 4) {
        int pa = std::abs(b - c), pb = std::abs(a - c), pc = std::abs(a + b - 2 * c);
        add = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      }
      row[i] = static_cast<uint8_t>(row[i] + add);
    }
  }

  bool keeps_alpha() const {
    return options_.channels == 4 && (has_transparency_ || header_.colour == 4 || header_.colour == 6);
  }

  std::vector<uint8_t> clean_file() {
    std::vector<uint8_t> stored = {0x78,
                                   0x01};  // a zlib stream of stored blocks: RFC 1950, RFC 1951 section 3.2.4
    constexpr size_t kBlock = 65535;
    stored.reserve(raw_.size() + 5 * (raw_.size() / kBlock + 1) + 6);
    for (size_t at = 0; at < raw_.size(); at += kBlock) {
      size_t n = std::min(kBlock, raw_.size() - at);
      stored.push_back(at + n == raw_.size());
      for (size_t length : {n, ~n}) {
        stored.push_back(static_cast<uint8_t>(length));
        stored.push_back(static_cast<uint8_t>(length >> 8));
      }
      stored.insert(stored.end(), raw_.begin() + static_cast<ptrdiff_t>(at),
                    raw_.begin() + static_cast<ptrdiff_t>(at + n));
    }
    put_big_endian(stored, static_cast<uint32_t>(adler32(1, raw_.data(), static_cast<uInt>(raw_.size()))));

    std::vector<uint8_t> out(bytes_.begin(), bytes_.begin() + kSignatureBytes);
    out.reserve(stored.size() + palette_.size() + 64);
    put_png_chunk(out, "IHDR", header_bytes_);
    if (header_.colour == 3) put_png_chunk(out, "PLTE", palette_);
    if (has_transparency_ && keeps_alpha()) put_png_chunk(out, "tRNS", transparency_);
    put_png_chunk(out, "IDAT", stored);
    put_png_chunk(out, "IEND", {});
    return out;
  }

  std::span<const uint8_t> bytes_;
  std::string_view name_;
  const DecodeOptions& options_;
  Header header_;
  std::array<uint8_t, 13> header_bytes_{};
  std::vector<uint8_t> palette_, transparency_, raw_;
  std::string_view last_;
  bool has_transparency_ = false, begun_ = false, stream_ended_ = false, ended_ = false;
  z_stream stream_{};
};

}  // namespace

void put_png_chunk(std::vector<uint8_t>& out, std::string_view type, std::span<const uint8_t> data) {
  put_big_endian(out, static_cast<uint32_t>(data.size()));
  size_t begin = out.size();
  out.insert(out.end(), type.begin(), type.end());
  out.insert(out.end(), data.begin(), data.end());
  put_big_endian(out, static_cast<uint32_t>(crc32(0, &out[begin], static_cast<uInt>(out.size() - begin))));
}

PngInfo check_png(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  return Checker(bytes, name, options).run();
}

}  // namespace graft::data
