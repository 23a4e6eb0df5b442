// The small ResNets for 32x32 pictures (He et al., 2015, section 4.2): 3x3 stem without pooling, three layers
// of basic blocks, shortcuts without parameters (option A). Names as in the widespread checkpoints
// resnet20-12fca82f.th and so on: conv1, bn1, layer1.0.conv1, ..., linear. The same family with a strided
// stem and a fourth layer is the network that ships with graft, for 64x64 pictures.
#pragma once

#include <array>

#include "nn/models/classifier.h"
#include "nn/models/registry.h"

namespace graft::nn {

struct CifarResNetConfig {
  std::array<int64_t, 4>
      widths;  // channels of layer1, layer2, ...; 0: no such layer. Each at least the one before
  std::array<int64_t, 4> blocks;
  int64_t stem_stride = 1;  // layer1 does not stride, the later ones halve height and width
};
inline constexpr CifarResNetConfig kCifarResNet20{{16, 32, 64}, {3, 3, 3}};
inline constexpr CifarResNetConfig kCifarResNet32{{16, 32, 64}, {5, 5, 5}};
inline constexpr CifarResNetConfig kCifarResNet44{{16, 32, 64}, {7, 7, 7}};
inline constexpr CifarResNetConfig kCifarResNet56{{16, 32, 64}, {9, 9, 9}};
inline constexpr CifarResNetConfig kCifarResNet110{{16, 32, 64}, {18, 18, 18}};
inline constexpr CifarResNetConfig kMeadowResNet{{16, 32, 64, 128}, {1, 1, 1, 2}, 2};

// x [N, H, W, in] -> [N, ceil(H / stride), ceil(W / stride), width].
class CifarBlock : public Module {
 public:
  CifarBlock(int64_t in, int64_t width, int64_t stride, DType dtype);
  void parts(Parts& p) override { p("conv1", conv1)("bn1", bn1)("conv2", conv2)("bn2", bn2); }
  Var forward(const Var& x);

  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
};

class CifarResNet : public Classifier {
 public:
  explicit CifarResNet(const CifarResNetConfig& config, int64_t classes = 10, uint64_t seed = 0,
                       DType dtype = DType::f32);
  void parts(Parts& p) override;
  std::vector<Stage> stages() const override;
  Var head(const Var& pooled) override { return linear.forward(pooled); }
  std::string head_name() const override { return "linear"; }
  Conv2d& first_conv() override { return conv1; }
  int64_t classes() const override { return linear.weight.var.dim(0); }
  void replace_head(int64_t classes, uint64_t seed) override;

  Conv2d conv1;
  BatchNorm2d bn1;
  std::vector<ModuleList<CifarBlock>> layers;  // layer1, layer2, ...
  Linear linear;

 protected:
  Var run_stage(size_t stage, const Var& x) override;

 private:
  void init_head(const Init& init);
};

std::vector<ModelInfo> cifar_resnet_models();

}  // namespace graft::nn
