// What every picture classifier offers beside nn/models/headed.h: its trunk can be run stage by stage.
#pragma once

#include "nn/models/headed.h"

namespace graft::nn {

class Classifier : public Headed {
 public:
  // images [N, H, W, planes()], normalised as the weights expect -> logits [N, classes()].
  Var forward(const Var& images) override { return forward_from(0, images); }
  // images [N, H, W, planes()] -> pooled features [N, F].
  Var features(const Var& images) override { return features_from(0, images); }

  // images -> what stage `stage` takes; stages().size() gives the trunk's last map.
  Var forward_to(size_t stage, const Var& images);
  // What stage `stage` takes -> logits: forward(x) is forward_from(s, forward_to(s, x)) for every s, bit by
  // bit where the same gradients are wanted. So a frozen prefix need run only once.
  Var forward_from(size_t stage, const Var& activations);
  // What stage `stage` takes -> pooled features [N, F].
  Var features_from(size_t stage, const Var& activations);

  // The convolution that sees the picture.
  virtual Conv2d& first_conv() = 0;
  // The values of a pixel that it takes: 3 as published.
  int64_t planes() { return first_conv().weight.var.dim(3); }
  // Filters of zeros for so many, of the same shape otherwise, to be filled; its bias stays.
  void set_planes(int64_t planes);

 protected:
  using Headed::Headed;
  virtual Var run_stage(size_t stage, const Var& x) = 0;
  // The trunk's last map [N, H, W, F] -> [N, F].
  virtual Var pool(const Var& map) { return global_avg_pool(map); }
  // The trunk's last map -> logits.
  virtual Var finish(const Var& map) { return head(pool(map)); }

 private:
  Var run(size_t from, size_t to, Var x);
};

}  // namespace graft::nn
