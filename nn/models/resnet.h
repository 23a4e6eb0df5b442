// ResNet-18/34/50/101/152 (He et al., "Deep residual learning for image recognition", 2015) in version 1.5: a
// bottleneck strides in its 3x3 convolution. Names, order and start as torchvision's.
#pragma once

#include <array>

#include "nn/models/classifier.h"
#include "nn/models/registry.h"

namespace graft::nn {

struct ResNetConfig {
  bool bottleneck;                // 1x1, 3x3, 1x1 with four times the channels, instead of two 3x3
  std::array<int64_t, 4> blocks;  // in layer1 to layer4
  int64_t width = 64;             // channels of the stem and of layer1's 3x3; doubles with each layer
};
inline constexpr ResNetConfig kResNet18{false, {2, 2, 2, 2}};
inline constexpr ResNetConfig kResNet34{false, {3, 4, 6, 3}};
inline constexpr ResNetConfig kResNet50{true, {3, 4, 6, 3}};
inline constexpr ResNetConfig kResNet101{true, {3, 4, 23, 3}};
inline constexpr ResNetConfig kResNet152{true, {3, 8, 36, 3}};

// x [N, H, W, in] -> [N, H / stride, W / stride, out], by whichever convolutions, plus x or its projection.
class ResidualBlock : public Module {
 public:
  virtual Var forward(const Var& x) = 0;
};

class ResNet : public Classifier {
 public:
  explicit ResNet(const ResNetConfig& config, int64_t classes = 1000, uint64_t seed = 0,
                  DType dtype = DType::f32);
  void parts(Parts& p) override;
  std::vector<Stage> stages() const override;
  Var head(const Var& pooled) override { return fc.forward(pooled); }
  std::string head_name() const override { return "fc"; }
  Conv2d& first_conv() override { return conv1; }
  int64_t classes() const override { return fc.weight.var.dim(0); }
  void replace_head(int64_t classes, uint64_t seed) override;

  Conv2d conv1;
  BatchNorm2d bn1;
  std::array<ModuleList<ResidualBlock>, 4> layers;  // layer1 to layer4
  Linear fc;

 protected:
  Var run_stage(size_t stage, const Var& x) override;
};

std::vector<ModelInfo> resnet_models();

}  // namespace graft::nn
