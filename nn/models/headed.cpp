#include "nn/models/headed.h"

namespace graft::nn {

void Headed::compute_on(Device device, DType precision) {
  bool rounds = precision == DType::bf16 && dtype_ == DType::f32;
  GRAFT_CHECK_AS(UsageError, precision == dtype_ || rounds, "classifier: cannot compute in ", precision,
                 " with ", dtype_, " tensors; f32 networks compute in f32, or in bf16 on an accelerator");
  GRAFT_CHECK_AS(UsageError, !rounds || device.is_cuda(),
                 "classifier: the CPU's kernels do not compute in bf16; use f32 there");
  move_to(*this, device);
  device_ = device;
  precision_ = precision;
}

}  // namespace graft::nn
