#include "nn/models/classifier.h"

namespace graft::nn {

Var Classifier::run(size_t from, size_t to, Var x) {
  size_t count = stages().size();
  GRAFT_CHECK(from <= to && to <= count, "classifier: stages ", from, " to ", to, " of ", count);
  const Tensor& value = x.value();
  GRAFT_CHECK(value.rank() == 4 || (value.rank() == 3 && from > 0),
              "classifier: needs [N, H, W, C] or tokens [N, T, C], got ", value);
  GRAFT_CHECK(value.dtype() == precision(), "classifier: the network computes in ", precision(),
              ", the input is ", value);
  GRAFT_CHECK(from > 0 || value.dim(-1) == planes(), "classifier: the network takes [N, H, W, ", planes(),
              "], got images ", value);
  for (size_t stage = from; stage < to; ++stage) x = run_stage(stage, x);
  return x;
}

void Classifier::set_planes(int64_t planes) {
  Conv2d& old = first_conv();
  const Tensor& weight = old.weight.var.value();
  Conv2d fresh({.in = planes,
                .out = weight.dim(0),
                .size = weight.dim(1),
                .stride = old.how.stride,
                .padding = old.how.padding,
                .bias = false},
               dtype());
  fresh.bias = std::move(old.bias);
  old = std::move(fresh);
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
