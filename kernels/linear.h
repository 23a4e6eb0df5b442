// The product of a linear layer with all that may follow it, in one pass. Contiguous matrices of one type,
// f32 or f64 on the CPU, f32 or bf16 on CUDA; the caller allocates y. Sums as in kernels/matmul.h; what
// follows a sum is computed before it is rounded to the tensors' type.
#pragma once

#include "kernels/activation.h"
#include "kernels/dispatch.h"

namespace graft::kernels {

struct LinearEpilogue {
  Tensor bias = {};      // [O]; undefined: 0
  Tensor residual = {};  // like y; undefined: 0
  Activation act = Activation::none;
  // Like y, and written, or undefined: what `act` is applied to. Only with gelu and gelu_tanh, whose gradient
  // looks at it.
  Tensor before = {};

  template <class F>
  void for_each_tensor(F f) const {
    for (const Tensor* t : {&bias, &residual, &before}) f(*t);
  }
};

// x [M, I], weight [O, I], y [M, O]: y = act(x weight^T + bias + residual).
GRAFT_KERNEL(linear, (const Tensor& x, const Tensor& weight, const LinearEpilogue& after, const Tensor& y),
             (x, weight, after, y))

}  // namespace graft::kernels
