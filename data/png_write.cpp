#include <zlib.h>

#include "core/error.h"
#include "core/file.h"
#include "data/png_check.h"

namespace graft::data {
namespace {

// Filter 1 of the specification, the difference to the left pixel, makes photos a third smaller at no cost.
std::vector<uint8_t> filtered_rows(const Image& image) {
  std::vector<uint8_t> raw;
  raw.reserve(static_cast<size_t>(image.height * (1 + 3 * image.width)));
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* in = image.row(y);
    raw.push_back(1);
    for (int64_t i = 0; i < 3 * image.width; ++i)
      raw.push_back(static_cast<uint8_t>(in[i] - (i >= 3 ? in[i - 3] : 0)));
  }
  return raw;
}

void push_big_endian(std::vector<uint8_t>& out, int64_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
}

}  // namespace

std::vector<uint8_t> encode_png(const Image& image) {
  check_size(image.width, image.height, "PNG to write");
  std::vector<uint8_t> raw = filtered_rows(image);
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  std::vector<uint8_t> packed(size);
  int result = compress2(packed.data(), &size, raw.data(), static_cast<uLong>(raw.size()), 6);
  GRAFT_CHECK_AS(MemoryError, result == Z_OK, "PNG to write: no memory to compress ", raw.size(), " bytes");
  packed.resize(size);

  std::vector<uint8_t> header;
  push_big_endian(header, image.width);
  push_big_endian(header, image.height);
  header.insert(header.end(), {8, 2, 0, 0, 0});  // 8 bits, RGB, deflate, the standard filters, not interlaced
  std::vector<uint8_t> out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  put_png_chunk(out, "IHDR", header);
  put_png_chunk(out, "IDAT", packed);
  put_png_chunk(out, "IEND", {});
  return out;
}

void write_png(const std::string& path, const Image& image) {
  std::vector<uint8_t> bytes = encode_png(image);
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace graft::data
