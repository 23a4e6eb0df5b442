#include "kernels/unary.h"

#include "core/parallel.h"
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

// The comparisons are written so that a NaN fails them and passes through.
void relu(const Tensor& x, const Tensor& y) {
  elementwise("relu", x, y, [](auto v) { return v <= 0 ? decltype(v)(0) : v; });
}

void relu_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("relu_grad", y, dy, dx, [](auto v, auto g) { return v <= 0 ? decltype(g)(0) : g; });
}

void relu6(const Tensor& x, const Tensor& y) {
  elementwise("relu6", x, y, [](auto v) {
    using T = decltype(v);
    T low = v <= 0 ? T(0) : v;
    return low >= 6 ? T(6) : low;
  });
}

void relu6_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  elementwise_grad("relu6_grad", y, dy, dx, [](auto v, auto g) {
    return static_cast<int>(v <= 0) | static_cast<int>(v >= 6) ? decltype(g)(0) : g;
  });
}

void scale(const Tensor& x, double factor, const Tensor& y) {
  elementwise("scale", x, y, [factor](auto v) { return v * static_cast<decltype(v)>(factor); });
}

#include "kernels/cpu/level_end.h"
