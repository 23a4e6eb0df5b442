// Where the tiled product (gemm.h) reads from. A product is c[r, c] = sum over k of a(r, k) * b(c, k), so
// both operands are sets of lines (the rows of a, the columns of b), each as long as the depth. An operand is
// read in quads, four elements that are neighbours in memory, either along the depth or across lines:
//
//   kAlongDepth        true: a quad is one line at k .. k + 3; false: lines l .. l + 3 at one k
//   kGathers           where a quad is takes more than a multiplication to find
//   line(group, l)     what one thread needs to know of the line (or of the four, or eight) that it reads
//                      again and again
//   load(line, k, end) the quad at k; zeros for what lies beyond the lines or at k >= end
//
// The product on tensor cores (gemm_mma.h) copies runs of 16 bytes instead, where has_runs() says that every
// one of them, from a line and a k that are multiples of its length, is aligned and all inside or all
// outside:
//
//   run(line, k, end)  the run at k
#pragma once

#include "kernels/cuda/divisor.h"
#include "kernels/cuda/elements.h"

namespace graft::kernels::cuda {

// Four neighbours in one load: 16 bytes of float, 8 of bf16.
__device__ __forceinline__ float4 load_quad(const float* p) {
  return *reinterpret_cast<const float4*>(p);
}
__device__ __forceinline__ float4 load_quad(const __nv_bfloat16* p) {
  uint2 bits = *reinterpret_cast<const uint2*>(p);  // a bf16 is the upper half of a float
  return make_float4(__uint_as_float(bits.x << 16), __uint_as_float(bits.x & 0xFFFF0000u),
                     __uint_as_float(bits.y << 16), __uint_as_float(bits.y & 0xFFFF0000u));
}
// The first `count` of four, the others 0.
template <class T>
__device__ __forceinline__ float4 load_some(const T* p, int count) {
  return make_float4(count > 0 ? to_float(p[0]) : 0.0f, count > 1 ? to_float(p[1]) : 0.0f,
                     count > 2 ? to_float(p[2]) : 0.0f, count > 3 ? to_float(p[3]) : 0.0f);
}

// Whether every quad that starts at a multiple of `step` elements from p can be loaded at once.
template <class T>
bool quads_at(const T* p, int64_t step) {
  return reinterpret_cast<uintptr_t>(p) % (4 * sizeof(T)) == 0 && step % 4 == 0;
}

// 16 bytes in global memory that are copied as they are; where they are not inside, zeros take their place.
// `from` is an address that may be read even then.
template <class T>
struct Run {
  const T* from;
  bool inside;
};

// Matrices, one for each group, whose lines run along the depth: element (l, k) at l * stride + k.
template <class T>
struct AlongDepth {
  using Element = T;
  static constexpr bool kAlongDepth = true, kGathers = false;

  AlongDepth(const T* data_, int64_t stride_, int64_t lines, int64_t group_step_ = 0)
      : data(data_),
        stride(stride_),
        group_step(group_step_),
        count(to_int(lines)),
        quads(quads_at(data_, stride_) && group_step_ % 4 == 0) {}

  struct Line {
    const T* group;
    int number;
  };
  __device__ Line line(int group, int l) const { return {data + group * group_step, l}; }
  __device__ float4 load(const Line& line, int k, int end) const {
    if (line.number >= count || k >= end) return make_float4(0, 0, 0, 0);
    const T* p = place(line, k);
    return quads ? load_quad(p) : load_some(p, end - k);
  }
  bool has_runs() const { return is_aligned(data) && stride % kPack<T> == 0 && group_step % kPack<T> == 0; }
  __device__ Run<T> run(const Line& line, int k, int end) const {
    bool inside = line.number < count && k < end;
    return {inside ? place(line, k) : data, inside};
  }
  __device__ const T* place(const Line& line, int k) const { return line.group + line.number * stride + k; }

  const T* data;
  int64_t stride, group_step;
  int count;
  bool quads;  // then the depth is a multiple of 4, too: it is the stride
};

// k * stride
struct EvenSteps {
  int64_t stride;
  __device__ int64_t operator()(int k) const { return k * stride; }
};

// Matrices, one for each group, whose lines are neighbours: element (l, k) at steps(k) + l.
template <class T, class Steps = EvenSteps>
struct AlongLines {
  using Element = T;
  static constexpr bool kAlongDepth = false, kGathers = !std::is_same_v<Steps, EvenSteps>;

  // All steps are multiples of `step`.
  AlongLines(const T* data_, Steps steps_, int64_t step, int64_t lines, int64_t group_step_ = 0)
      : data(data_),
        steps(steps_),
        group_step(group_step_),
        count(to_int(lines)),
        quads(quads_at(data_, step) && lines % 4 == 0 && group_step_ % 4 == 0),
        runs(is_aligned(data_) && step % kPack<T> == 0 && lines % kPack<T> == 0 &&
             group_step_ % kPack<T> == 0) {}

  struct Line {
    const T* from;
    int left;  // lines from this one on
  };
  __device__ Line line(int group, int l) const { return {data + group * group_step + l, count - l}; }
  __device__ float4 load(const Line& line, int k, int end) const {
    if (k >= end || line.left <= 0) return make_float4(0, 0, 0, 0);
    const T* p = line.from + steps(k);
    return quads ? load_quad(p) : load_some(p, line.left);
  }
  bool has_runs() const { return runs; }
  __device__ Run<T> run(const Line& line, int k, int end) const {
    bool inside = k < end && line.left > 0;
    return {inside ? line.from + steps(k) : data, inside};
  }

  const T* data;
  Steps steps;
  int64_t group_step;
  int count;
  bool quads, runs;
};

}  // namespace graft::kernels::cuda
