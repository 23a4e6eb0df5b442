#include "data/jpeg_arithmetic.h"

#include <algorithm>

namespace graft::data::jpeg {
namespace {

constexpr int kConstantBits = 13;
constexpr int kExtraBits = 2;  // kept between the two passes

constexpr int32_t fix(double x) {
  return static_cast<int32_t>(x * (1 << kConstantBits) + 0.5);
}

uint8_t clamp8(int32_t v) {
  return static_cast<uint8_t>(std::clamp(v, 0, 255));
}

// Eight one-dimensional transforms side by side: element k of transform i is in[k * along + i * across], and
// the result takes the same place in out, shifted right by kShift with rounding. Wide coefficients of a
// malicious file may overflow; unsigned arithmetic makes that a wrong pixel and no undefined behaviour.
template <int kShift, class In>
void transform(const In* in, int along, int across, int32_t* out) {
  using U = uint32_t;
  for (int i = 0; i < 8; ++i, in += across, out += across) {
    auto at = [&](int k) { return static_cast<U>(static_cast<int32_t>(in[k * along])); };

    U even = (at(2) + at(6)) * U(fix(0.541196100));
    U even2 = even - at(6) * U(fix(1.847759065)), even3 = even + at(2) * U(fix(0.765366865));
    U even0 = (at(0) + at(4)) << kConstantBits, even1 = (at(0) - at(4)) << kConstantBits;
    U sum[4] = {even0 + even3, even1 + even2, even1 - even2, even0 - even3};

    U z1 = at(7) + at(1), z2 = at(5) + at(3), z3 = at(7) + at(3), z4 = at(5) + at(1);
    U z5 = (z3 + z4) * U(fix(1.175875602));
    z1 *= U(-fix(0.899976223));
    z2 *= U(-fix(2.562915447));
    z3 = z3 * U(-fix(1.961570560)) + z5;
    z4 = z4 * U(-fix(0.390180644)) + z5;
    U odd[4] = {at(1) * U(fix(1.501321110)) + z1 + z4, at(3) * U(fix(3.072711026)) + z2 + z3,
                at(5) * U(fix(2.053119869)) + z2 + z4, at(7) * U(fix(0.298631336)) + z1 + z3};

    for (int k = 0; k < 4; ++k) {
      U half = U(1) << (kShift - 1);
      out[k * along] = static_cast<int32_t>(sum[k] + odd[k] + half) >> kShift;
      out[(7 - k) * along] = static_cast<int32_t>(sum[k] - odd[k] + half) >> kShift;
    }
  }
}

}  // namespace

void inverse_dct(uint8_t* out, int stride, short coefficients[64]) {
  int32_t columns[64], pixels[64];
  transform<kConstantBits - kExtraBits>(coefficients, 8, 1, columns);
  transform<kConstantBits + kExtraBits + 3>(columns, 1, 8, pixels);
  for (int row = 0; row < 8; ++row, out += stride) {
    for (int col = 0; col < 8; ++col) out[col] = clamp8(pixels[row * 8 + col] + 128);
  }
}

uint8_t* upsample_2x2(uint8_t* out, uint8_t* near_row, uint8_t* far_row, int width, int) {
  auto column = [&](int i) { return 3 * near_row[i] + far_row[i]; };
  int before = column(0), here = before;
  for (int i = 0; i < width; ++i) {
    int after = i + 1 < width ? column(i + 1) : here;
    out[2 * i] = static_cast<uint8_t>((3 * here + before + 8) >> 4);
    out[2 * i + 1] = static_cast<uint8_t>((3 * here + after + 7) >> 4);
    before = here;
    here = after;
  }
  return out;
}

uint8_t* upsample_2x1(uint8_t* out, uint8_t* row, uint8_t*, int width, int) {
  for (int i = 0; i < width; ++i) {
    int before = row[std::max(i - 1, 0)], after = row[std::min(i + 1, width - 1)];
    out[2 * i] = static_cast<uint8_t>((3 * row[i] + before + 1) >> 2);
    out[2 * i + 1] = static_cast<uint8_t>((3 * row[i] + after + 2) >> 2);
  }
  return out;
}

void ycbcr_to_rgb(uint8_t* out, const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, int step) {
  constexpr auto fix16 = [](double x) { return static_cast<int32_t>(x * 65536 + 0.5); };
  constexpr int32_t half = 1 << 15;
  for (int i = 0; i < count; ++i, out += step) {
    int32_t blue = cb[i] - 128, red = cr[i] - 128;
    out[0] = clamp8(y[i] + ((fix16(1.40200) * red + half) >> 16));
    out[1] = clamp8(y[i] + ((-fix16(0.34414) * blue - fix16(0.71414) * red + half) >> 16));
    out[2] = clamp8(y[i] + ((fix16(1.77200) * blue + half) >> 16));
    if (step == 4) out[3] = 255;
  }
}

}  // namespace graft::data::jpeg
