// SqueezeNet 1.0 and 1.1 (Iandola et al., 2016). Names, order and start as torchvision's.
//
// The published head is a 1x1 convolution on the trunk's map, a ReLU, and then the mean over the map. A new
// head is trained on pooled features, which is a small convex problem, and yet stays the convolution
// classifier.1 [classes, 512, 1, 1] of a network that computes what torchvision's does: its biases start at
// kOpenBias, far above what the weights can subtract, so that the ReLU passes every position and convolution,
// ReLU, mean equals mean, linear. Softmax does not see a constant that all logits share. (With biases at 0 a
// logit that is negative everywhere gets no gradient and stays so: trained that way on five kinds of flowers
// the head of SqueezeNet 1.0 ends at chance, on open biases at 88 %.)
#pragma once

#include <array>

#include "nn/models/classifier.h"
#include "nn/models/registry.h"

namespace graft::nn {

struct SqueezeNetConfig {
  int64_t stem_width, stem_size;      // the first convolution, stride 2, no padding
  std::array<size_t, 2> pool_before;  // indices of the Fire modules with a pooling step before them
  std::array<int64_t, 8> squeeze = {16, 16, 32, 32, 48, 48, 64, 64};
  std::array<int64_t, 8> expand = {64, 64, 128, 128, 192, 192, 256, 256};  // each of 1x1 and 3x3
};
inline constexpr SqueezeNetConfig kSqueezeNet1_0{96, 7, {3, 7}};
inline constexpr SqueezeNetConfig kSqueezeNet1_1{64, 3, {2, 4}};

// x [N, H, W, in] -> [N, H, W, 2 expand]: squeezed by a 1x1 convolution, then 1x1 and 3x3 side by side.
class Fire : public Module {
 public:
  Fire(int64_t in, int64_t squeeze, int64_t expand, DType dtype);
  void parts(Parts& p) override { p("squeeze", squeeze)("expand1x1", expand1x1)("expand3x3", expand3x3); }
  Var forward(const Var& x);

  Conv2d squeeze, expand1x1, expand3x3;
};

class SqueezeNet : public Classifier {
 public:
  static constexpr double kOpenBias = 1000;

  explicit SqueezeNet(const SqueezeNetConfig& config, int64_t classes = 1000, uint64_t seed = 0,
                      DType dtype = DType::f32);
  void parts(Parts& p) override;
  std::vector<Stage> stages() const override;
  // The head with its ReLU open: equals the end of forward where no position's output is negative, as after
  // replace_head.
  Var head(const Var& pooled) override;
  std::string head_name() const override { return "classifier.1"; }
  Conv2d& first_conv() override { return stem; }
  int64_t classes() const override { return classifier.weight.var.dim(0); }
  void replace_head(int64_t classes, uint64_t seed) override;
  Dropout* dropout() override { return &drop; }

  Conv2d stem;
  ModuleList<Fire> fires;
  Dropout drop;
  Conv2d classifier;

 protected:
  Var run_stage(size_t stage, const Var& x) override;
  Var finish(const Var& map) override;

 private:
  bool pooled_before(size_t fire) const { return fire == pool_before_[0] || fire == pool_before_[1]; }
  std::string fire_name(size_t fire) const;
  std::array<size_t, 2> pool_before_;
};

std::vector<ModelInfo> squeezenet_models();

}  // namespace graft::nn
