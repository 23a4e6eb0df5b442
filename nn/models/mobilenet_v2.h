// MobileNetV2 (Sandler et al., "Inverted residuals and linear bottlenecks", 2018). Names, order and start as
// torchvision's.
#pragma once

#include <vector>

#include "nn/models/classifier.h"
#include "nn/models/registry.h"

namespace graft::nn {

// One row of the paper's table 2: `repeats` blocks with `out` channels, the first of which strides.
struct InvertedResiduals {
  int64_t expansion, out, repeats, stride;
};
struct MobileNetV2Config {
  double width = 1;     // multiplies all channels, which are then rounded to a multiple of 8
  int64_t last = 1280;  // channels of the last convolution; grows with width, but does not shrink
  std::vector<InvertedResiduals> rows = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                         {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
};
inline const MobileNetV2Config kMobileNetV2{};

// x [N, H, W, in] -> [N, H / stride, W / stride, out]: widened by a 1x1 convolution, filtered channel by
// channel, projected without activation; plus x where the shape stays.
class InvertedResidual : public Module {
 public:
  InvertedResidual(int64_t in, int64_t out, int64_t stride, int64_t expansion, DType dtype);
  void parts(Parts& p) override;
  Var forward(const Var& x);

  std::unique_ptr<ConvBn> expand;  // absent where expansion is 1
  ConvBn filter;
  Conv2d project;
  BatchNorm2d project_bn;
};

class MobileNetV2 : public Classifier {
 public:
  explicit MobileNetV2(const MobileNetV2Config& config = kMobileNetV2, int64_t classes = 1000,
                       uint64_t seed = 0, DType dtype = DType::f32);
  void parts(Parts& p) override;
  std::vector<Stage> stages() const override;
  Var head(const Var& pooled) override { return fc.forward(drop.forward(pooled)); }
  std::string head_name() const override { return "classifier.1"; }
  Conv2d& first_conv() override { return stem.conv; }
  int64_t classes() const override { return fc.weight.var.dim(0); }
  void replace_head(int64_t classes, uint64_t seed) override;
  Dropout* dropout() override { return &drop; }

  ConvBn stem;
  ModuleList<InvertedResidual> blocks;
  ConvBn last;
  Dropout drop;
  Linear fc;

 protected:
  Var run_stage(size_t stage, const Var& x) override;
};

std::vector<ModelInfo> mobilenet_v2_models();

}  // namespace graft::nn
