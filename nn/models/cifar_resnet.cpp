#include "nn/models/cifar_resnet.h"

#include <algorithm>

namespace graft::nn {
namespace {

int64_t layer_count(const CifarResNetConfig& config) {
  auto is_absent = [](int64_t width) { return width == 0; };
  return std::find_if(config.widths.begin(), config.widths.end(), is_absent) - config.widths.begin();
}

int64_t feature_count(const CifarResNetConfig& config) {
  GRAFT_CHECK(layer_count(config) >= 1, "CifarResNet: needs at least one layer");
  return config.widths[static_cast<size_t>(layer_count(config) - 1)];
}

ModelInfo entry(const char* name, const CifarResNetConfig& config, Labels labels = Labels::cifar10,
                const InputSpec& input = kCifarInput) {
  return {name, labels, input, [config](int64_t classes, uint64_t seed, DType dtype) {
            return std::make_unique<CifarResNet>(config, classes, seed, dtype);
          }};
}

}  // namespace

CifarBlock::CifarBlock(int64_t in, int64_t width, int64_t stride, DType dtype)
    : conv1({.in = in, .out = width, .size = 3, .stride = stride, .padding = 1, .bias = false}, dtype),
      bn1(width, dtype),
      conv2({.in = width, .out = width, .size = 3, .padding = 1, .bias = false}, dtype),
      bn2(width, dtype) {}

Var CifarBlock::forward(const Var& x) {              // x: [N, H, W, in]
  Var y = conv_bn(conv1, bn1, Activation::relu, x);  // [N, H/s, W/s, width]
  bool same = x.shape() == y.shape();
  Var shortcut = same ? x : shortcut_a(x, conv1.how.stride, y.dim(-1));  // [N, H/s, W/s, width]
  return seen(conv_bn(conv2, bn2, Activation::relu, y, shortcut));       // [N, H/s, W/s, width]
}

CifarResNet::CifarResNet(const CifarResNetConfig& config, int64_t classes, uint64_t seed, DType dtype)
    : Classifier(dtype),
      conv1({.in = 3,
             .out = config.widths[0],
             .size = 3,
             .stride = config.stem_stride,
             .padding = 1,
             .bias = false},
            dtype),
      bn1(config.widths[0], dtype),
      layers(static_cast<size_t>(layer_count(config))),
      linear(feature_count(config), classes, dtype) {
  int64_t in = config.widths[0];
  for (size_t i = 0; i < layers.size(); ++i) {
    for (int64_t block = 0; block < config.blocks[i]; ++block) {
      layers[i].emplace(in, config.widths[i], i > 0 && block == 0 ? 2 : 1, dtype);
      in = config.widths[i];
    }
  }
  Init init{seed};
  for_each_layer<Conv2d>(*this, [&](const std::string& name, Conv2d& conv) {
    init.kaiming_normal_fan_in(conv.weight, name + ".weight");
  });
  init_head(init);
}

void CifarResNet::init_head(const Init& init) {
  linear.init(init, "linear");
  init.kaiming_normal_fan_in(linear.weight, "linear.weight");
}

void CifarResNet::parts(Parts& p) {
  p("conv1", conv1)("bn1", bn1);
  for (size_t i = 0; i < layers.size(); ++i) p(str("layer", i + 1), layers[i]);
  p("linear", linear);
}

std::vector<Stage> CifarResNet::stages() const {
  std::vector<Stage> all = {{"conv1", {"conv1", "bn1"}}};
  for (size_t i = 1; i <= layers.size(); ++i) all.push_back({str("layer", i), {str("layer", i)}});
  return all;
}

Var CifarResNet::run_stage(size_t stage, const Var& x) {            // x: [N, H, W, C]
  if (stage == 0) return conv_bn(conv1, bn1, Activation::relu, x);  // [N, H/s, W/s, widths[0]]
  Var y = x;
  for (auto& block : layers[stage - 1].items) y = block->forward(y);  // [N, H', W', C']
  return y;
}

void CifarResNet::replace_head(int64_t classes, uint64_t seed) {
  linear = Linear(linear.weight.var.dim(1), classes, dtype());
  init_head(Init{seed});
}

std::vector<ModelInfo> cifar_resnet_models() {
  return {entry("cifar_resnet20", kCifarResNet20),
          entry("cifar_resnet32", kCifarResNet32),
          entry("cifar_resnet44", kCifarResNet44),
          entry("cifar_resnet56", kCifarResNet56),
          entry("cifar_resnet110", kCifarResNet110),
          entry("meadow_resnet", kMeadowResNet, Labels::none, kMeadowInput)};
}

}  // namespace graft::nn
