// EfficientNet (Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks",
// 2019). Names, order and start as torchvision's, or those of timm (the published weights of TensorFlow,
// "tf_", are distributed under these).
#pragma once

#include <string>
#include <vector>

#include "nn/models/classifier.h"
#include "nn/models/registry.h"

namespace graft::nn {

// One row of the paper's table 1: `repeats` blocks with `out` channels, the first of which strides.
struct MbConvRow {
  int64_t expansion, size, stride, in, out, repeats;
};
struct EfficientNetConfig {
  double width = 1, depth = 1;  // multiply channels (rounded to a multiple of 8) and repeats (rounded up)
  double dropout = 0.2;
  BatchNorm norm = {};
  double drop_path = 0.2;  // of the last block; it grows with the block's number (Huang et al., 2016)
  enum class Names : uint8_t { torchvision, timm } names = Names::torchvision;
  // TensorFlow's "SAME": a window that strides starts in the picture's corner where that suffices, not with
  // equal padding on both sides.
  bool same_padding = false;
  int64_t stem = 32;
  std::vector<MbConvRow> rows = {{1, 3, 1, 32, 16, 1},  {6, 3, 2, 16, 24, 2},  {6, 5, 2, 24, 40, 2},
                                 {6, 3, 2, 40, 80, 3},  {6, 5, 1, 80, 112, 3}, {6, 5, 2, 112, 192, 4},
                                 {6, 3, 1, 192, 320, 1}};
  int64_t last = 0;  // channels of the last convolution; 0: four times what comes in
};

// Convolution and batch norm with the padding that the network has, under the names that it has.
struct ConvNorm {
  ConvNorm(Conv2d::Config config, const EfficientNetConfig& network, DType dtype);
  // x [N, H, W, in] -> [N, ceil(H / stride), ceil(W / stride), out]; plus `residual` where it is defined.
  Var forward(const Var& x, const Var& residual = {});

  Conv2d conv;
  BatchNorm2d bn;
  bool same_padding;
};

// x [N, H, W, in] -> [N, ceil(H / stride), ceil(W / stride), out]: widened, filtered channel by channel,
// weighted channel by channel by what the whole picture says (squeeze and excitation), projected; plus x
// where the shape stays.
class MbConv : public Module {
 public:
  MbConv(const MbConvRow& row, int64_t in, int64_t out, int64_t stride, double drop_path, uint64_t seed,
         const EfficientNetConfig& network, DType dtype);
  void parts(Parts& p) override;
  Var forward(const Var& x);

  std::unique_ptr<ConvNorm> expand;  // absent where expansion is 1
  ConvNorm filter;
  Conv2d squeeze, excite;
  ConvNorm project;
  Dropout path;  // whole pictures of the branch are dropped
  EfficientNetConfig::Names names;
};

class EfficientNet : public Classifier {
 public:
  explicit EfficientNet(const EfficientNetConfig& config = {}, int64_t classes = 1000, uint64_t seed = 0,
                        DType dtype = DType::f32);
  void parts(Parts& p) override;
  std::vector<Stage> stages() const override;
  Var head(const Var& pooled) override { return fc.forward(drop.forward(pooled)); }
  std::string head_name() const override;
  Conv2d& first_conv() override { return stem.conv; }
  int64_t classes() const override { return fc.weight.var.dim(0); }
  void replace_head(int64_t classes, uint64_t seed) override;
  Dropout* dropout() override { return &drop; }

  ConvNorm stem;
  std::vector<ModuleList<MbConv>> rows;
  ConvNorm last;
  Dropout drop;
  Linear fc;

 protected:
  Var run_stage(size_t stage, const Var& x) override;

 private:
  std::string row_name(size_t row) const;
  void init_head(uint64_t seed);
  EfficientNetConfig::Names names_;
};

// efficientnet_b0 to b7 (torchvision's weights), tf_efficientnet_b0 to b7 (timm's names, TensorFlow's
// padding).
std::vector<ModelInfo> efficientnet_models();

}  // namespace graft::nn
