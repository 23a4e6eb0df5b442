#include "kernels/binary.h"

#include "core/parallel.h"
#include "kernels/binary_scalar.h"
#include "kernels/cpu/level_begin.h"

namespace {

template <class F>
void elementwise(const char* op, const Tensor& a, const Tensor& b, const Tensor& y, F f) {
  with_real(a.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    const T *p = a.data<T>(), *q = b.data<T>();
    T* out = y.data<T>();
    parallel_for(a.numel(), 32768, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = f(p[i], q[i]);
    });
  });
}

}  // namespace

void add(const Tensor& a, const Tensor& b, const Tensor& y) {
  elementwise("add", a, b, y, scalar::Add());
}

void multiply(const Tensor& a, const Tensor& b, const Tensor& y) {
  elementwise("multiply", a, b, y, scalar::Multiply());
}

void multiply_scalar(const Tensor& a, const Tensor& s, const Tensor& y) {
  with_real(a.dtype(), "multiply_scalar", [&](auto zero) {
    using T = decltype(zero);
    T factor = *s.data<T>();
    elementwise("multiply_scalar", a, a, y,
                [factor](auto p, auto) { return scalar::Multiply()(p, static_cast<decltype(p)>(factor)); });
  });
}

#include "kernels/cpu/level_end.h"
