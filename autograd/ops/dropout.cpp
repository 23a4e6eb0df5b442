#include "kernels/dropout.h"

#include "autograd/ops.h"
#include "core/step_graph.h"

namespace graft {

Var dropout(const Var& x, double p, uint64_t seed) {
  return dropout(x, p, std::make_shared<const uint64_t>(seed));
}

Var dropout(const Var& x, double p, std::shared_ptr<const uint64_t> seed) {
  GRAFT_CHECK(p >= 0 && p <= 1, "dropout: probability ", p, " is not between 0 and 1");
  Tensor value = x.value().contiguous();
  Tensor y = value.empty_like();
  every_step("dropout", [=] { kernels::dropout(value, p, *seed, y); });
  // The seed tells which; no mask is kept.
  return record("dropout", y, {x}, [p, seed = std::move(seed)](const Tensor& dy) {
    Tensor dx = dy.empty_like();
    every_step("dropout", [=] { kernels::dropout(dy, p, *seed, dx); });
    return Grads{dx};
  });
}

}  // namespace graft
