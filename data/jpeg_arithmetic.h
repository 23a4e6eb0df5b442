// The arithmetic behind a JPEG's pixels, bit for bit as libjpeg does it (and so Pillow, torchvision and
// nearly everybody whose weights graft reads): the inverse cosine transform, the "fancy" upsampling of
// chroma, and the way from YCbCr to RGB. stb_image parses and decodes the entropy-coded data and lets these
// three steps be replaced.
#pragma once

#include <cstdint>

namespace graft::data::jpeg {

// One block: 64 dequantised coefficients in natural order -> 8 x 8 pixels, rows `stride` bytes apart.
// libjpeg's accurate integer method ("islow"): Loeffler, Ligtenberg, Moschytz, "Practical fast 1-D DCT
// algorithms with 11 multiplications", ICASSP 1989, with 13-bit constants, columns first.
void inverse_dct(uint8_t* out, int stride, short coefficients[64]);

// A row of 2 x 2 subsampled chroma at full width: `width` samples of the nearer and of the farther row -> 2
// width samples, each 9/16, 3/16, 3/16 and 1/16 of its neighbours, a half rounded up in even columns and down
// in odd ones.
uint8_t* upsample_2x2(uint8_t* out, uint8_t* near_row, uint8_t* far_row, int width, int scale);

// The same where chroma is subsampled along the row only: 3/4 and 1/4.
uint8_t* upsample_2x1(uint8_t* out, uint8_t* row, uint8_t*, int width, int scale);

// `count` pixels; out has `step` (3 or 4) bytes for each, of which the fourth is opaque. JFIF's conversion
// with 16-bit constants.
void ycbcr_to_rgb(uint8_t* out, const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, int step);

}  // namespace graft::data::jpeg
