#include "kernels/cuda/copy.h"

#include <cstring>
#include <limits>

#include "kernels/cuda/elements.h"
#include "kernels/cuda/launch.h"

namespace graft::kernels::cuda {
namespace {

// Sizes and the strides of two tensors, in elements, without axes of size 1 and with neighbouring axes joined
// where both tensors step over them as over one.
struct Walk {
  int rank = 0;
  int64_t sizes[Shape::kMaxRank] = {};
  int64_t from[Shape::kMaxRank] = {};
  int64_t to[Shape::kMaxRank] = {};
};

Walk walk_of(const Shape& shape, const Shape& from, const Shape& to) {
  Walk w;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    int last = w.rank - 1;
    if (last >= 0 && w.from[last] == from[axis] * shape[axis] && w.to[last] == to[axis] * shape[axis]) {
      w.sizes[last] *= shape[axis];
    } else {
      last = w.rank++;
      w.sizes[last] = shape[axis];
    }
    w.from[last] = from[axis];
    w.to[last] = to[axis];
  }
  return w;
}

// Where element i of the row-major order is, in a tensor with these strides. Index is as narrow as the sizes
// allow: divisions of 64 bits are slow.
template <class Index>
__device__ __forceinline__ int64_t offset_of(Index i, const Walk& walk, const int64_t* strides) {
  int64_t offset = 0;
  for (int axis = walk.rank - 1; axis > 0; --axis) {
    Index size = static_cast<Index>(walk.sizes[axis]), rest = i / size;
    offset += static_cast<int64_t>(i - rest * size) * strides[axis];
    i = rest;
  }
  return offset + static_cast<int64_t>(i) * strides[0];
}

// One thread per element, in row-major order.
template <class T, class Index>
__global__ void copy_elements(const T* from, T* to, int64_t n, const __grid_constant__ Walk walk) {
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  Index index = static_cast<Index>(i);
  to[offset_of(index, walk, walk.to)] = from[offset_of(index, walk, walk.from)];
}

// One thread per element.
template <class T, class Index>
__global__ void fill_elements(T value, T* to, int64_t n, const __grid_constant__ Walk walk) {
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) to[offset_of(static_cast<Index>(i), walk, walk.to)] = value;
}

template <class T>
inline constexpr bool kIsHalf = std::is_same_v<T, __nv_bfloat16> || std::is_same_v<T, __half>;

// The 16-bit floats are converted by way of float, the others as C++ does.
template <class To, class From>
__device__ To converted(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (kIsHalf<From>) {
    return converted<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, __nv_bfloat16>) {
    return __float2bfloat16_rn(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, __half>) {
    return __float2half_rn(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

// One thread per 4 elements. `packs`: both pointers are aligned for loads of 4.
template <class From, class To>
__global__ void convert_elements(const From* from, To* to, int64_t n, bool packs) {
  int64_t i = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * 4;
  if (packs && i + 4 <= n) {
    auto source = *reinterpret_cast<const Pack<From, 4>*>(from + i);
    Pack<To, 4> target;
    for (int k = 0; k < 4; ++k) target.values[k] = converted<To>(source.values[k]);
    *reinterpret_cast<Pack<To, 4>*>(to + i) = target;
    return;
  }
  for (int k = 0; k < 4 && i + k < n; ++k) to[i + k] = converted<To>(from[i + k]);
}

template <class F>
void with_index(int64_t n, F&& f) {
  if (n <= std::numeric_limits<int32_t>::max()) {
    f(uint32_t{});
  } else {
    f(uint64_t{});
  }
}

template <class F>
void with_any(DType t, F&& f) {
  switch (t) {
    case DType::f32: f(float{}); return;
    case DType::f64: f(double{}); return;
    case DType::bf16: f(__nv_bfloat16{}); return;
    case DType::f16: f(__half{}); return;
    case DType::i64: f(int64_t{}); return;
    case DType::i32: f(int32_t{}); return;
    case DType::u8: f(uint8_t{}); return;
    case DType::b8: f(bool{}); return;
  }
}

}  // namespace

void copy_strided(const Tensor& from, const Tensor& to) {
  Walk walk = walk_of(from.shape(), from.strides(), to.strides());
  with_bits(from.dtype(), [&](auto bits) {
    with_index(from.numel(), [&](auto index) {
      using T = decltype(bits);
      launch("copy_elements", copy_elements<T, decltype(index)>, one_thread_per(from.numel()),
             static_cast<const T*>(from.raw()), static_cast<T*>(to.raw()), from.numel(), walk);
    });
  });
}

void convert(const Tensor& from, const Tensor& to) {
  with_any(from.dtype(), [&](auto a) {
    with_any(to.dtype(), [&](auto b) {
      using From = decltype(a);
      using To = decltype(b);
      bool packs =
          is_aligned(from.raw(), alignof(Pack<From, 4>)) && is_aligned(to.raw(), alignof(Pack<To, 4>));
      launch("convert_elements", convert_elements<From, To>, one_thread_per((from.numel() + 3) / 4),
             data<From>(from), data<To>(to), from.numel(), packs);
    });
  });
}

void fill(const Tensor& tensor, double value) {
  Tensor one = Tensor::full({}, value, tensor.dtype());  // converted on the CPU
  Walk walk = walk_of(tensor.shape(), tensor.strides(), tensor.strides());
  with_bits(tensor.dtype(), [&](auto zero) {
    with_index(tensor.numel(), [&](auto index) {
      using T = decltype(zero);
      T bits;
      std::memcpy(&bits, one.raw(), sizeof bits);
      launch("fill_elements", fill_elements<T, decltype(index)>, one_thread_per(tensor.numel()), bits,
             static_cast<T*>(tensor.raw()), tensor.numel(), walk);
    });
  });
}

}  // namespace graft::kernels::cuda
