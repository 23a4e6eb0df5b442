#include "transfer/blend.h"

#include "core/error.h"
#include "kernels/binary.h"
#include "kernels/clip.h"

namespace graft::transfer {

void blend(const std::vector<Tensor>& y, double a, const std::vector<Tensor>& x, double b) {
  GRAFT_CHECK(y.size() == x.size(), "blend: ", y.size(), " tensors and ", x.size());
  for (size_t i = 0; i < y.size(); ++i) {
    GRAFT_CHECK(y[i].shape() == x[i].shape() && y[i].dtype() == x[i].dtype(), "blend: ", y[i], " and ", x[i]);
    if (y[i].numel() == 0) continue;
    Tensor part = Tensor::empty(x[i].shape(), x[i].dtype(), x[i].device());
    kernels::scale_all({{x[i]}}, b, {{part}});
    if (a != 1) kernels::scale_all({{y[i]}}, a, {{y[i]}});
    kernels::add(y[i], part, y[i]);
  }
}

}  // namespace graft::transfer
