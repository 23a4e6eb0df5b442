#include "kernels/linear.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/unary_scalar.h"
#include "kernels/cpu/level_begin.h"
#include "kernels/cpu/gemm.h"

namespace {

// The curve of an activation, and what it was applied to.
template <class T>
struct Curve {
  Activation act;
  const T* origin;
  T* before;

  void operator()(T* out, int64_t count) const {
    if (before) copy_run<T>(out, count, before + (out - origin));
    if (act == Activation::gelu) {
      for (int64_t i = 0; i < count; ++i) out[i] = scalar::Gelu()(out[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) out[i] = scalar::GeluTanh()(out[i]);
    }
  }
};

}  // namespace

void linear(const Tensor& x, const Tensor& weight, const LinearEpilogue& after, const Tensor& y) {
  with_real(x.dtype(), "linear", [&](auto zero) {
    using T = decltype(zero);
    int64_t depth = x.dim(1), cols = weight.dim(0);
    Epilogue<T> epilogue;
    epilogue.origin = y.data<T>();
    if (after.bias.defined()) epilogue.shift = after.bias.data<T>();
    if (after.residual.defined()) epilogue.residual = after.residual.data<T>();
    if (after.act == Activation::relu || after.act == Activation::relu6) epilogue.low = 0;
    if (after.act == Activation::relu6) epilogue.high = 6;
    auto run = [&](const auto& whole) {
      multiply_rows<T>(MatrixRows<const T>{x.data<T>(), depth}, x.dim(0),
                       TransposedPanels<T>{weight.data<T>(), depth}, cols, depth,
                       MatrixRows<T>{y.data<T>(), cols}, whole);
    };
    if (after.act != Activation::gelu && after.act != Activation::gelu_tanh) return run(epilogue);
    T* before = after.before.defined() ? after.before.data<T>() : nullptr;
    run(CurvedEpilogue<T, Curve<T>>{epilogue, {after.act, epilogue.origin, before}});
  });
}

#include "kernels/cpu/level_end.h"
