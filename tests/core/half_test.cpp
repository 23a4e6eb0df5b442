#include "core/half.h"

#include <bit>
#include <cmath>

#include "tests/support.h"

using namespace graft;

TEST_CASE("f16 and bf16: every bit pattern survives the way through float") {
  for (uint32_t u = 0; u < 65536; ++u) {
    f16 h;
    h.bits = static_cast<uint16_t>(u);
    float value = static_cast<float>(h);
    if (std::isnan(value)) {
      CHECK(std::isnan(static_cast<float>(f16(value))));
    } else {
      CHECK(f16(value).bits == h.bits);
    }
    bf16 b;
    b.bits = static_cast<uint16_t>(u);
    value = static_cast<float>(b);
    if (std::isnan(value)) {
      CHECK(std::isnan(static_cast<float>(bf16(value))));
    } else {
      CHECK(bf16(value).bits == b.bits);
    }
  }
}

TEST_CASE("f16: rounds to nearest, ties to even") {
  CHECK(f16(65519.0f).bits == 0x7BFF);
  CHECK(f16(65520.0f).bits == 0x7C00);
  CHECK(f16(1.0f + 0x1p-11f).bits == 0x3C00);      // a tie goes to the even neighbour below
  CHECK(f16(1.0f + 3 * 0x1p-11f).bits == 0x3C02);  // and to the even neighbour above
  CHECK(f16(0x1p-25f).bits == 0x0000);             // half of the smallest subnormal
  CHECK(f16(0x1.000002p-25f).bits == 0x0001);
  CHECK(f16(-0.0f).bits == 0x8000);
}

TEST_CASE("bf16: rounds to nearest, ties to even") {
  CHECK(bf16(1.0f + 0x1p-8f).bits == 0x3F80);
  CHECK(bf16(1.0f + 3 * 0x1p-8f).bits == 0x3F82);
  CHECK(bf16(std::bit_cast<float>(0x7F7FFFFFu)).bits == 0x7F80);
}

TEST_CASE("f16 and bf16: a NaN keeps its sign and the upper bits of its payload, and stays a NaN") {
  auto nan = [](uint32_t bits) { return std::bit_cast<float>(bits); };
  CHECK(bf16(nan(0x7FC12345u)).bits == 0x7FC1);
  CHECK(bf16(nan(0xFFA50000u)).bits == 0xFFE5);  // signalling becomes quiet
  CHECK(bf16(nan(0x7F800001u)).bits == 0x7FC0);  // nothing of the payload fits: not infinity
  CHECK(f16(nan(0x7FC12345u)).bits == (0x7E00 | 0x12345 >> 13));
  CHECK(f16(nan(0xFF942000u)).bits == (0xFE00 | 0x142000 >> 13));
  CHECK(f16(nan(0x7F800001u)).bits == 0x7E00);
}
