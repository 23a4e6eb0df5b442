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

void gelu(const Tensor& x, const Tensor& y) {
  elementwise("gelu", x, y, scalar::Gelu());
}

void gelu_grad(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("gelu_grad", x, dy, dx, scalar::GeluGrad());
}

void gelu_tanh(const Tensor& x, const Tensor& y) {
  elementwise("gelu_tanh", x, y, scalar::GeluTanh());
}

void gelu_tanh_grad(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("gelu_tanh_grad", x, dy, dx, scalar::GeluTanhGrad());
}

void quick_gelu(const Tensor& x, const Tensor& y) {
  elementwise("quick_gelu", x, y, [](auto v) {
    using T = decltype(v);
    return scalar::Swish<T>{static_cast<T>(scalar::kQuickGelu)}(v);
  });
}

void quick_gelu_grad(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("quick_gelu_grad", x, dy, dx, [](auto v, auto g) {
    using T = decltype(v);
    return scalar::SwishGrad<T>{static_cast<T>(scalar::kQuickGelu)}(v, g);
  });
}

void silu(const Tensor& x, const Tensor& y) {
  elementwise("silu", x, y, [](auto v) { return scalar::Swish<decltype(v)>{1}(v); });
}

void silu_grad(const Tensor& x, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("silu_grad", x, dy, dx,
                   [](auto v, auto g) { return scalar::SwishGrad<decltype(v)>{1}(v, g); });
}

void sigmoid(const Tensor& x, const Tensor& y) {
  elementwise("sigmoid", x, y, scalar::Sigmoid());
}

void sigmoid_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("sigmoid_grad", y, dy, dx, scalar::SigmoidGrad());
}

void tanh(const Tensor& x, const Tensor& y) {
  elementwise("tanh", x, y, scalar::Tanh());
}

void tanh_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("tanh_grad", y, dy, dx, scalar::TanhGrad());
}

void exp(const Tensor& x, const Tensor& y) {
  elementwise("exp", x, y, scalar::Exp());
}

void exp_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("exp_grad", y, dy, dx, scalar::ExpGrad());
}

void scale(const Tensor& x, double factor, const Tensor& y) {
  elementwise("scale", x, y,
              [factor](auto v) { return scalar::Scale<decltype(v)>{static_cast<decltype(v)>(factor)}(v); });
}

#include "kernels/cpu/level_end.h"
