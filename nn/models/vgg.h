// VGG (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014),
// also with batch norm. Names, order and start as torchvision's.
#pragma once

#include <array>
#include <vector>

#include "nn/models/classifier.h"
#include "nn/models/registry.h"

namespace graft::nn {

struct VggConfig {
  std::array<int, 5> convolutions;  // of each stage; each stage ends by halving the picture
  bool batch_norm = false;
  std::array<int64_t, 5> widths = {64, 128, 256, 512, 512};
  int64_t hidden = 4096;  // of the two dense layers before the head
};
inline constexpr VggConfig kVgg11{{1, 1, 2, 2, 2}};
inline constexpr VggConfig kVgg13{{2, 2, 2, 2, 2}};
inline constexpr VggConfig kVgg16{{2, 2, 3, 3, 3}};
inline constexpr VggConfig kVgg19{{2, 2, 4, 4, 4}};

// The pooled features of this network are what its second dense layer makes, [N, hidden].
class Vgg : public Classifier {
 public:
  explicit Vgg(const VggConfig& config = kVgg16, int64_t classes = 1000, uint64_t seed = 0,
               DType dtype = DType::f32);
  void parts(Parts& p) override;
  std::vector<Stage> stages() const override;
  Var head(const Var& pooled) override { return fc.forward(drop.forward(pooled)); }
  std::string head_name() const override { return "classifier.6"; }
  Conv2d& first_conv() override { return *layers[0][0].conv; }
  int64_t classes() const override { return fc.weight.var.dim(0); }
  void replace_head(int64_t classes, uint64_t seed) override;
  Dropout* dropout() override { return &drop; }

  struct Layer {
    std::string name;  // "features.5": torchvision counts activations and pooling steps too
    std::unique_ptr<Conv2d> conv;
    std::string bn_name;
    std::unique_ptr<BatchNorm2d> bn;  // null without
  };
  std::array<std::vector<Layer>, 5> layers;
  Linear hidden1, hidden2;
  Dropout hidden_drop, drop;
  Linear fc;

 protected:
  Var run_stage(size_t stage, const Var& x) override;
};

std::vector<ModelInfo> vgg_models();

}  // namespace graft::nn
