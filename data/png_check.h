// A PNG file is checked whole before the decoder sees it: structure, checksums, and the compressed data
// itself. Source: Portable Network Graphics (PNG) Specification, Third Edition, W3C 2025.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/image.h"

namespace graft::data {

struct PngInfo {
  int64_t width = 0, height = 0;
  // The same picture with nothing in it that the decoder does not need: header, palette, and the data as
  // stored blocks, so that the decoder's own inflate never meets a stranger's stream.
  std::vector<uint8_t> clean;
  bool transparent = false;  // it has alpha, which was asked for
};

// Throws DataError that names the file, the offset, what was found and the rule. Inflates to the exact size
// that the header implies and not a byte further.
PngInfo check_png(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);

// Appends a chunk: length, type, data, CRC.
void put_png_chunk(std::vector<uint8_t>& out, std::string_view type, std::span<const uint8_t> data);

}  // namespace graft::data
