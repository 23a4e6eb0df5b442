#include "autograd/ops.h"
#include "kernels/binary.h"

namespace graft {

Var multiply(const Var& a, const Var& b) {
  GRAFT_CHECK(a.shape() == b.shape() && a.value().dtype() == b.value().dtype(), "multiply: ", a.value(),
              " and ", b.value(), " differ");
  Tensor p = a.value().contiguous(), q = b.value().contiguous(), y = p.empty_like();
  kernels::multiply(p, q, y);
  Tensor for_a = a.needs_grad() ? q : Tensor(), for_b = b.needs_grad() ? p : Tensor();
  return record("multiply", y, {a, b}, [for_a, for_b](const Tensor& dy) {
    auto times = [&](const Tensor& other) {
      if (!other) return Tensor();
      Tensor d = dy.empty_like();
      kernels::multiply(dy, other, d);
      return d;
    };
    return Grads{times(for_a), times(for_b)};
  });
}

}  // namespace graft
