// Element types inside kernels, and 16 bytes of them at a time.
#pragma once

#include "core/tensor.h"
#include "kernels/cuda/cuda.h"

namespace graft::kernels::cuda {

// with_storage(x.dtype(), "softmax", [&](auto zero) { using T = decltype(zero); ... });  T is float or
// __nv_bfloat16: what the CUDA kernels store. Any other type is an error that names the operation.
template <class F>
void with_storage(DType t, const char* op, F&& f) {
  switch (t) {
    case DType::f32: f(float{}); return;
    case DType::bf16: f(__nv_bfloat16{}); return;
    default: fail(op, ": needs f32 or bf16 on a CUDA device, got ", t);
  }
}

// Moving bits needs only their number: f(an unsigned integer of the element's size).
template <class F>
void with_bits(DType t, F&& f) {
  switch (size_of(t)) {
    case 1: f(uint8_t{}); return;
    case 2: f(uint16_t{}); return;
    case 4: f(uint32_t{}); return;
    default: f(uint64_t{}); return;
  }
}

// A tensor's elements as device code names their type; checked like Tensor::data. Null for an undefined
// tensor.
template <class T>
T* data(const Tensor& t) {
  if (!t.defined()) return nullptr;
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return reinterpret_cast<T*>(t.data<bf16>());
  } else if constexpr (std::is_same_v<T, __half>) {
    return reinterpret_cast<T*>(t.data<f16>());
  } else {
    return t.data<T>();
  }
}

// Kernels store T and compute in float.
template <class T>
__device__ __forceinline__ float to_float(T value) {
  return static_cast<float>(value);
}
template <class T>
__device__ __forceinline__ T from_float(float value) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16(value);
  } else {
    return value;
  }
}

// As many elements as one 16-byte load brings.
template <class T>
inline constexpr int kPack = 16 / static_cast<int>(sizeof(T));

// Elements that move in one load or store: 16 bytes unless told.
template <class T, int count = kPack<T>>
struct alignas(count * sizeof(T) < 16 ? count * sizeof(T) : 16) Pack {
  T values[count];
};

inline bool is_aligned(const void* p, uintptr_t bytes = 16) {
  return reinterpret_cast<uintptr_t>(p) % bytes == 0;
}

}  // namespace graft::kernels::cuda
