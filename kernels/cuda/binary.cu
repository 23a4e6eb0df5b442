#include "kernels/binary.h"

#include "kernels/binary_scalar.h"
#include "kernels/cuda/elementwise.h"

namespace graft::kernels::cuda {
namespace {

// The factor is where the kernels can read it and the CPU cannot: on the device.
template <class T>
struct MultiplyBy {
  const T* factor;
  __device__ float operator()(float a) const { return scalar::Multiply()(a, to_float(*factor)); }
};

}  // namespace

void add(const Tensor& a, const Tensor& b, const Tensor& y) {
  map_elements("add", scalar::Add(), y, a, b);
}

void multiply(const Tensor& a, const Tensor& b, const Tensor& y) {
  map_elements("multiply", scalar::Multiply(), y, a, b);
}

void multiply_scalar(const Tensor& a, const Tensor& s, const Tensor& y) {
  with_storage(a.dtype(), "multiply_scalar", [&](auto zero) {
    using T = decltype(zero);
    map_elements("multiply_scalar", MultiplyBy<T>{data<T>(s)}, y, a);
  });
}

}  // namespace graft::kernels::cuda
