// The one place that touches stb_image. Its input has been checked by data/jpeg_check.h or data/png_check.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "data/image.h"

namespace graft::data {

// Decodes a checked file whose header promised width x height, of a PNG its alpha, too, where that is wanted.
// Throws DataError with `name` in it.
Image stb_decode(std::span<const uint8_t> bytes, std::string_view name, int64_t width, int64_t height,
                 bool alpha = false);

}  // namespace graft::data
