#include "nn/models/classifier.h"

namespace graft::nn {

void Classifier::compute_on(Device device, DType precision) {
  bool rounds = precision == DType::bf16 && dtype_ == DType::f32;
  GRAFT_CHECK_AS(UsageError, precision == dtype_ || rounds, "classifier: cannot compute in ", precision,
                 " with ", dtype_, " tensors; f32 networks compute in f32, or in bf16 on an accelerator");
  GRAFT_CHECK_AS(UsageError, !rounds || device.is_cuda(),
                 "classifier: the CPU's kernels do not compute in bf16; use f32 there");
  move_to(*this, device);
  device_ = device;
  precision_ = precision;
}

Var Classifier::run(size_t from, size_t to, Var x) {
  size_t count = stages().size();
  GRAFT_CHECK(from <= to && to <= count, "classifier: stages ", from, " to ", to, " of ", count);
  const Tensor& value = x.value();
  GRAFT_CHECK(value.rank() == 4, "classifier: needs [N, H, W, C], got ", value);
  GRAFT_CHECK(value.dtype() == precision_, "classifier: the network computes in ", precision_,
              ", the input is ", value);
  GRAFT_CHECK(from > 0 || value.dim(-1) == 3, "classifier: images have 3 channels, got ", value);
  for (size_t stage = from; stage < to; ++stage) x = run_stage(stage, x);
  return x;
}

Var Classifier::forward_to(size_t stage, const Var& images) {
  return run(0, stage, images);
}

Var Classifier::forward_from(size_t stage, const Var& activations) {
  return seen(finish(run(stage, stages().size(), activations)));
}

Var Classifier::features_from(size_t stage, const Var& activations) {
  return pool(run(stage, stages().size(), activations));
}

}  // namespace graft::nn
