// Builds PNG files for tests, right ones and wrong ones: every field can be set, every chunk changed.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace graft::test {

using Bytes = std::vector<uint8_t>;

inline Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}
inline void append(Bytes& out, const Bytes& more) {
  out.insert(out.end(), more.begin(), more.end());
}
inline void append_big_endian(Bytes& out, uint32_t value, int bytes = 4) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<uint8_t>(value >> 8 * i));
}

inline Bytes zlib_packed(const Bytes& raw) {
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  Bytes out(size);
  compress2(out.data(), &size, raw.data(), static_cast<uLong>(raw.size()), 9);
  out.resize(size);
  return out;
}

struct PngChunk {
  std::string type;
  Bytes data;
  bool wrong_crc = false;
};

struct PngFile {
  uint32_t width = 1, height = 1;
  uint8_t depth = 8, colour = 2, compression = 0, filter = 0, interlace = 0;
  std::vector<PngChunk> before = {};  // between IHDR and the data
  std::vector<Bytes> idat = {};       // the data, one IDAT chunk each
  std::vector<PngChunk> after = {};   // between the data and IEND
  bool header = true, end = true;

  // One IDAT chunk with these rows (filter bytes included).
  PngFile& rows(const Bytes& raw) {
    idat = {zlib_packed(raw)};
    return *this;
  }

  Bytes bytes() const {
    Bytes out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    if (header) {
      Bytes h;
      append_big_endian(h, width);
      append_big_endian(h, height);
      append(h, {depth, colour, compression, filter, interlace});
      put(out, {"IHDR", h});
    }
    for (const PngChunk& c : before) put(out, c);
    for (const Bytes& data : idat) put(out, {"IDAT", data});
    for (const PngChunk& c : after) put(out, c);
    if (end) put(out, {"IEND", {}});
    return out;
  }

  static void put(Bytes& out, const PngChunk& chunk) {
    append_big_endian(out, static_cast<uint32_t>(chunk.data.size()));
    Bytes body = bytes_of(chunk.type);
    append(body, chunk.data);
    append(out, body);
    auto crc = static_cast<uint32_t>(crc32(0, body.data(), static_cast<uInt>(body.size())));
    append_big_endian(out, chunk.wrong_crc ? crc ^ 1 : crc);
  }
};

}  // namespace graft::test
