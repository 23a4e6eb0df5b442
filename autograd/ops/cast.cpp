#include "autograd/ops.h"

namespace graft {

Var cast(const Var& x, DType dtype) {
  DType from = x.value().dtype();
  GRAFT_CHECK(is_float(from) && is_float(dtype), "cast: from ", from, " to ", dtype,
              "; only float types have gradients, use Tensor::to for others");
  if (from == dtype) return x;
  return record("cast", x.value().to(dtype), {x}, [from](const Tensor& dy) { return Grads{dy.to(from)}; });
}

}  // namespace graft
