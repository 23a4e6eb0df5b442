// The two 16-bit floats as storage types; arithmetic happens in float. Conversions round to nearest, ties to
// even, and keep subnormals, -0, infinities and NaN payload bits that fit.
#pragma once

#include <bit>
#include <cstdint>

namespace graft {

struct bf16 {
  uint16_t bits = 0;
  bf16() = default;
  explicit bf16(float value) {
    uint32_t u = std::bit_cast<uint32_t>(value);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u) {
      bits = static_cast<uint16_t>((u >> 16) | 0x40);  // a NaN stays a (quiet) NaN
    } else {
      bits = static_cast<uint16_t>((u + 0x7FFFu + ((u >> 16) & 1)) >> 16);
    }
  }
  explicit operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
};

struct f16 {
  uint16_t bits = 0;
  f16() = default;
  explicit f16(float value) {
    uint32_t u = std::bit_cast<uint32_t>(value);
    uint32_t sign = (u >> 16) & 0x8000u;
    u &= 0x7FFFFFFFu;
    if (u > 0x7F800000u) {
      bits = static_cast<uint16_t>(sign | 0x7E00u | ((u >> 13) & 0x3FFu));
    } else if (u >= 0x477FF000u) {  // 65520 and above round to infinity
      bits = static_cast<uint16_t>(sign | 0x7C00u);
    } else if (u < 0x38800000u) {  // below 2^-14: subnormal; adding 0.5 aligns the last kept bit with 2^-24
      float aligned = std::bit_cast<float>(u) + 0.5f;
      bits = static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(aligned) - 0x3F000000u));
    } else {
      uint32_t rounded = u - 0x38000000u + 0xFFFu + ((u >> 13) & 1);
      bits = static_cast<uint16_t>(sign | (rounded >> 13));
    }
  }
  explicit operator float() const {
    uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    uint32_t rest = bits & 0x7FFFu;
    if (rest >= 0x7C00u) return std::bit_cast<float>(sign | 0x7F800000u | ((rest & 0x3FFu) << 13));
    if (rest >= 0x0400u) return std::bit_cast<float>(sign | ((rest << 13) + 0x38000000u));
    float magnitude = static_cast<float>(rest) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
};

}  // namespace graft
