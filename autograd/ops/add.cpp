#include "autograd/ops.h"
#include "kernels/binary.h"

namespace graft {

Var add(const Var& a, const Var& b) {
  GRAFT_CHECK(a.shape() == b.shape() && a.value().dtype() == b.value().dtype(), "add: ", a.value(), " and ",
              b.value(), " differ");
  Tensor p = a.value().contiguous(), q = b.value().contiguous();
  Tensor y = p.empty_like();
  kernels::add(p, q, y);
  return record("add", y, {a, b}, [](const Tensor& dy) { return Grads{dy, dy}; });
}

}  // namespace graft
