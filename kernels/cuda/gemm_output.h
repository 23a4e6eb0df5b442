// Where the tiled product (gemm.h) writes to, and what happens to a sum before it is stored:
// y = act(scale * sum + shift + residual).
#pragma once

#include "kernels/conv2d.h"
#include "kernels/cuda/gemm_operands.h"
#include "kernels/cuda/launch.h"

namespace graft::kernels::cuda {

// A value for each column, stored as T or as float; or none.
template <class T>
struct PerColumn {
  PerColumn() = default;
  explicit PerColumn(const Tensor& t) {
    if (t.defined() && t.dtype() == DType::f32) {
      wide = data<float>(t);
    } else {
      narrow = data<T>(t);
    }
  }
  __device__ float at(int64_t column, float otherwise) const {
    return wide ? wide[column] : narrow ? to_float(narrow[column]) : otherwise;
  }

  const T* narrow = nullptr;
  const float* wide = nullptr;
};

// Activations that are told apart while the kernel runs.
struct Clamp {
  Activation act = Activation::none;

  __device__ float operator()(float v) const {
    if (act != Activation::none) v = v < 0 ? 0 : v;  // NaN stays NaN
    if (act == Activation::relu6) v = v > 6 ? 6 : v;
    return v;
  }
};

// One with a longer formula, which has a kernel of its own. What it is applied to is kept at `before`, unless
// that is null, in the places of the result.
template <class T, class Formula>
struct Curve {
  T* before = nullptr;

  __device__ float operator()(float v) const { return Formula()(v); }
};
template <class Act>
inline constexpr bool kIsCurve = false;
template <class T, class Formula>
inline constexpr bool kIsCurve<Curve<T, Formula>> = true;

template <class T, class Act = Clamp>
struct Epilogue {
  PerColumn<T> scale, shift;
  const T* residual = nullptr;  // where the sums go, but in another tensor
  Act act = {};

  // `at` is the element's place in the result.
  __device__ float before_act(float sum, int64_t column, int64_t at) const {
    float v = scale.at(column, 1) * sum + shift.at(column, 0);
    return residual ? v + to_float(residual[at]) : v;
  }
  __device__ float operator()(float sum, int64_t column, int64_t at) const {
    return act(before_act(sum, column, at));
  }
};

// Row r starts at r * stride.
struct EvenRows {
  int64_t stride;
  __device__ int64_t operator()(int r) const { return r * stride; }
};

// [rows, cols] for each group, whose columns follow each other in one row of the result. Where the depth is
// split, the parts go to `parts` as floats [groups, splits, rows, cols] instead, without the epilogue.
template <class T, class Rows = EvenRows, class Act = Clamp>
struct Output {
  T* result;
  Rows rows;
  int64_t group_step;
  Epilogue<T, Act> epilogue = {};
  float* parts = nullptr;

  // Up to four columns of a row. `slice`: group * splits + split.
  __device__ void store(int group, int slice, int row, int row_count, int col, int col_count,
                        const float* sums) const {
    if (parts) {
      float* to = parts + (int64_t{slice} * row_count + row) * col_count + col;
      if (col_count % 4 == 0) {
        *reinterpret_cast<float4*>(to) = make_float4(sums[0], sums[1], sums[2], sums[3]);
        return;
      }
      GRAFT_UNROLL
      for (int j = 0; j < 4; ++j) {
        if (col + j < col_count) to[j] = sums[j];
      }
      return;
    }
    int64_t column = int64_t{group} * col_count + col, at = group * group_step + rows(row) + col;
    float values[4];
    GRAFT_UNROLL
    for (int j = 0; j < 4; ++j) {
      if (col + j < col_count) values[j] = epilogue.before_act(sums[j], column + j, at + j);
    }
    if constexpr (kIsCurve<Act>) {
      if (epilogue.act.before) store_some(epilogue.act.before + at, values, col_count - col);
    }
    GRAFT_UNROLL
    for (int j = 0; j < 4; ++j) {
      if (col + j < col_count) values[j] = epilogue.act(values[j]);
    }
    store_some(result + at, values, col_count - col);
  }

  // The first `count` of four, in one store where that can be.
  static __device__ void store_some(T* to, const float (&values)[4], int count) {
    if (count >= 4 && reinterpret_cast<uintptr_t>(to) % (4 * sizeof(T)) == 0) return store_quad(to, values);
    GRAFT_UNROLL
    for (int j = 0; j < 4; ++j) {
      if (j < count) to[j] = from_float<T>(values[j]);
    }
  }
  static __device__ void store_quad(float* to, const float* v) {
    *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
  }
  static __device__ void store_quad(__nv_bfloat16* to, const float* v) {
    const __nv_bfloat162 pairs[2] = {__floats2bfloat162_rn(v[0], v[1]), __floats2bfloat162_rn(v[2], v[3])};
    uint2 bits;
    memcpy(&bits, pairs, sizeof bits);
    *reinterpret_cast<uint2*>(to) = bits;  // one store
  }
};

// One thread for each element: result[g, i] = the sum of parts[g, s, i] over s, in that order.
template <class T>
__global__ void add_parts(const float* parts, int splits, int64_t size, int64_t n, T* result) {
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  int64_t group = i / size;
  const float* from = parts + group * splits * size + (i - group * size);
  float sum = 0;
  for (int s = 0; s < splits; ++s) sum += from[s * size];
  result[i] = from_float<T>(sum);
}

}  // namespace graft::kernels::cuda
