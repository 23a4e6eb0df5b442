#include <cmath>

#include "autograd/ops.h"

namespace graft {

// The root of the mean square is the length over sqrt(C): a root mean square norm whose weights are all
// 1 / sqrt(C).
Var normalize_rows(const Var& x) {
  GRAFT_CHECK(x.shape().rank() >= 1 && x.dim(-1) > 0, "normalize_rows: needs [..., C] with C above 0, got ",
              x.shape());
  auto columns = static_cast<double>(x.dim(-1));
  DType wide = x.value().dtype() == DType::bf16 ? DType::f32 : x.value().dtype();
  Tensor weight = Tensor::full({x.dim(-1)}, 1 / std::sqrt(columns), wide, x.value().device());
  return rms_norm(x, Var(weight), 1e-24 / columns);
}

}  // namespace graft
