// A JPEG file is checked whole before the decoder sees it: its markers and tables here, its coded data by
// data/jpeg_entropy.h. Source: ITU-T T.81 (1992), annex B; Adobe's APP14 from "Supporting the DCT Filters in
// PostScript Level 2", Adobe Technical Note 5116.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/image.h"

namespace graft::data {

struct JpegInfo {
  int64_t width = 0, height = 0;
  // The same picture with nothing in it that the decoder does not need: no comments, no thumbnails, no bytes
  // between segments, and always an end marker.
  std::vector<uint8_t> clean;
  std::vector<uint8_t> exif;  // the body of the first APP1 segment that begins with "Exif"
};

// A file may not ask for more than this many pixels times scans: about 2 s of work for the decoder.
inline constexpr int64_t kMaxPixelScans = 1'000'000'000;

// Throws DataError that names the file, the offset, what was found and the rule. Accepts baseline, extended
// sequential and progressive Huffman-coded files of 8 bits with 1 or 3 components, or with 4 (CMYK, YCCK)
// where Adobe's segment says which.
JpegInfo check_jpeg(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options);

}  // namespace graft::data
