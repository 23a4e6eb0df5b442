#include "autograd/ops.h"

namespace graft {

Var permute(const Var& x, const std::vector<int>& axes) {
  Tensor y = x.value().permute(axes).contiguous();
  std::vector<int> back(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    int from = axes[i] < 0 ? axes[i] + x.shape().rank() : axes[i];
    back[static_cast<size_t>(from)] = static_cast<int>(i);
  }
  return record("permute", y, {x}, [back](const Tensor& dy) { return Grads{dy.permute(back).contiguous()}; });
}

}  // namespace graft
