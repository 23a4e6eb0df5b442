#include "kernels/cuda/pointwise.h"

#include "kernels/cuda/gemm_tiers.h"
#include "kernels/matmul.h"

namespace graft::kernels::cuda {
namespace {

// All axes but the last are one.
Tensor as_matrix(const Tensor& t) {
  int64_t cols = t.shape().back(), rows = 1;
  for (int axis = 0; axis + 1 < t.shape().rank(); ++axis) rows *= t.dim(axis);
  return t.reshape({rows, cols});
}

}  // namespace

void pointwise(const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue, const Tensor& y) {
  with_storage(x.dtype(), "conv2d", [&](auto zero) {
    using T = decltype(zero);
    const Tensor a = as_matrix(x), b = as_matrix(weight);
    int64_t rows = a.dim(0), cols = b.dim(0), depth = a.dim(1);
    Epilogue<T> after;
    after.scale = PerColumn<T>(epilogue.scale);
    after.shift = PerColumn<T>(epilogue.shift);
    after.residual = data<T>(epilogue.residual);
    after.act = {epilogue.act};
    multiply("conv2d", AlongDepth<T>(data<T>(a), depth, rows), AlongDepth<T>(data<T>(b), depth, cols),
             Output<T>{data<T>(y), {cols}, 0, after}, rows, cols, depth);
  });
}

void pointwise_grad_input(const Tensor& dy, const Tensor& weight, const Tensor& dx) {
  matmul_nn(as_matrix(dy), as_matrix(weight), as_matrix(dx));
}

void pointwise_grad_weight(const Tensor& x, const Tensor& dy, const Tensor& dweight) {
  matmul_tn(as_matrix(dy), as_matrix(x), as_matrix(dweight));
}

}  // namespace graft::kernels::cuda
