#include "kernels/linear.h"

#include "kernels/cuda/gemm_tiers.h"
#include "kernels/unary_scalar.h"

namespace graft::kernels::cuda {
namespace {

template <class T, class Act>
void run(const Tensor& x, const Tensor& weight, const LinearEpilogue& after, const Act& act,
         const Tensor& y) {
  int64_t rows = x.dim(0), cols = weight.dim(0), depth = x.dim(1);
  Epilogue<T, Act> epilogue{{}, PerColumn<T>(after.bias), data<T>(after.residual), act};
  multiply("linear", AlongDepth<T>(data<T>(x), depth, rows), AlongDepth<T>(data<T>(weight), depth, cols),
           Output<T, EvenRows, Act>{data<T>(y), {cols}, 0, epilogue}, rows, cols, depth);
}

}  // namespace

void linear(const Tensor& x, const Tensor& weight, const LinearEpilogue& after, const Tensor& y) {
  with_storage(x.dtype(), "linear", [&](auto zero) {
    using T = decltype(zero);
    switch (after.act) {
      case Activation::none:
      case Activation::relu:
      case Activation::relu6: return run<T>(x, weight, after, Clamp{after.act}, y);
      case Activation::gelu:
        return run<T>(x, weight, after, Curve<T, scalar::Gelu>{data<T>(after.before)}, y);
      case Activation::gelu_tanh:
        return run<T>(x, weight, after, Curve<T, scalar::GeluTanh>{data<T>(after.before)}, y);
    }
  });
}

}  // namespace graft::kernels::cuda
