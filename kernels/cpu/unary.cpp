#include "kernels/unary.h"

#include "core/parallel.h"
#include "kernels/unary_scalar.h"
#include "kernels/cpu/level_begin.h"

namespace {

constexpr int64_t kElementsPerPiece = 32768;

// y[i] = f(x[i])
template <class F>
void elementwise(const char* op, const Tensor& x, const Tensor& y, F f) {
  with_real(x.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    const T* p = x.data<T>();
    T* out = y.data<T>();
    parallel_for(x.numel(), kElementsPerPiece, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = f(p[i]);
    });
  });
}

// dx[i] = f(kept[i], dy[i]); kept is the input or the output of the forward, whichever the formula is shorter
// in.
template <class F>
void elementwise_grad(const char* op, const Tensor& kept, const Tensor& dy, const Tensor& dx, F f) {
  with_real(kept.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    const T *p = kept.data<T>(), *g = dy.data<T>();
    T* out = dx.data<T>();
    parallel_for(kept.numel(), kElementsPerPiece, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = f(p[i], g[i]);
    });
  });
}

}  // namespace

void relu(const Tensor& x, const Tensor& y) {
  elementwise("relu", x, y, scalar::Relu());
}

void relu_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("relu_grad", y, dy, dx, scalar::ReluGrad());
}

void relu6(const Tensor& x, const Tensor& y) {
  elementwise("relu6", x, y, scalar::Relu6());
}

void relu6_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("relu6_grad", y, dy, dx, scalar::Relu6Grad());
}

void scale(const Tensor& x, double factor, const Tensor& y) {
  elementwise("scale", x, y,
              [factor](auto v) { return scalar::Scale<decltype(v)>{static_cast<decltype(v)>(factor)}(v); });
}

#include "kernels/cpu/level_end.h"
