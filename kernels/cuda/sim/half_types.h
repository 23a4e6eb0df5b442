// CUDA's two 16-bit floats and their pairs for the host compiler. Conversions round to nearest even, as on
// the device; arithmetic is done in float and rounded once.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/half.h"
#include "kernels/cuda/sim/types.h"

#define GRAFT_SIM_HALF(name, pair, raw, storage)                               \
  struct raw {                                                                 \
    unsigned short x;                                                          \
  };                                                                           \
  struct name {                                                                \
    unsigned short __x;                                                        \
    name() = default;                                                          \
    name(float value) : __x(storage(value).bits) {}                            \
    name(double value) : name(static_cast<float>(value)) {}                    \
    name(int value) : name(static_cast<float>(value)) {}                       \
    name(raw r) : __x(r.x) {}                                                  \
    operator float() const {                                                   \
      storage s;                                                               \
      s.bits = __x;                                                            \
      return static_cast<float>(s);                                            \
    }                                                                          \
    name& operator+=(name b) { return *this = name(float(*this) + float(b)); } \
    name& operator*=(name b) { return *this = name(float(*this) * float(b)); } \
  };                                                                           \
  struct alignas(4) pair {                                                     \
    name x, y;                                                                 \
    pair() = default;                                                          \
    pair(name a, name b) : x(a), y(b) {}                                       \
  };                                                                           \
  inline name operator+(name a, name b) {                                      \
    return name(float(a) + float(b));                                          \
  }                                                                            \
  inline name operator-(name a, name b) {                                      \
    return name(float(a) - float(b));                                          \
  }                                                                            \
  inline name operator*(name a, name b) {                                      \
    return name(float(a) * float(b));                                          \
  }                                                                            \
  inline name operator/(name a, name b) {                                      \
    return name(float(a) / float(b));                                          \
  }                                                                            \
  inline name operator-(name a) {                                              \
    return name(-float(a));                                                    \
  }

GRAFT_SIM_HALF(__nv_bfloat16, __nv_bfloat162, __nv_bfloat16_raw, graft::bf16)
GRAFT_SIM_HALF(__half, __half2, __half_raw, graft::f16)
#undef GRAFT_SIM_HALF

using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;
using half = __half;
using half2 = __half2;

inline __nv_bfloat16 __float2bfloat16(float v) {
  return v;
}
inline __nv_bfloat16 __float2bfloat16_rn(float v) {
  return v;
}
inline float __bfloat162float(__nv_bfloat16 v) {
  return v;
}
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) {
  return {a, b};
}
inline __nv_bfloat162 __float22bfloat162_rn(float2 v) {
  return {v.x, v.y};
}
inline float2 __bfloat1622float2(__nv_bfloat162 v) {
  return {v.x, v.y};
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 v) {
  return v.__x;
}
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return __nv_bfloat16_raw{bits};
}
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) {
  return {a, b};
}
inline float __low2float(__nv_bfloat162 v) {
  return v.x;
}
inline float __high2float(__nv_bfloat162 v) {
  return v.y;
}

inline __half __float2half(float v) {
  return v;
}
inline __half __float2half_rn(float v) {
  return v;
}
inline float __half2float(__half v) {
  return v;
}
inline __half2 __floats2half2_rn(float a, float b) {
  return {a, b};
}
inline __half2 __float22half2_rn(float2 v) {
  return {v.x, v.y};
}
inline float2 __half22float2(__half2 v) {
  return {v.x, v.y};
}
inline unsigned short __half_as_ushort(__half v) {
  return v.__x;
}
inline __half __ushort_as_half(unsigned short bits) {
  return __half_raw{bits};
}
inline __half2 __halves2half2(__half a, __half b) {
  return {a, b};
}
inline float __low2float(__half2 v) {
  return v.x;
}
inline float __high2float(__half2 v) {
  return v.y;
}
