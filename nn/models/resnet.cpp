#include "nn/models/resnet.h"

namespace graft::nn {
namespace {

// The projection of a block whose output has another shape than its input: 1x1 convolution and batch norm.
std::unique_ptr<ConvBn> projection(int64_t in, int64_t out, int64_t stride, DType dtype) {
  if (stride == 1 && in == out) return nullptr;
  return std::make_unique<ConvBn>(Conv2d::Config{.in = in, .out = out, .size = 1, .stride = stride},
                                  Activation::none, dtype);
}

class BasicBlock : public ResidualBlock {
 public:
  static constexpr int64_t kExpansion = 1;

  BasicBlock(int64_t in, int64_t width, int64_t stride, DType dtype)
      : conv1({.in = in, .out = width, .size = 3, .stride = stride, .padding = 1, .bias = false}, dtype),
        bn1(width, dtype),
        conv2({.in = width, .out = width, .size = 3, .padding = 1, .bias = false}, dtype),
        bn2(width, dtype),
        downsample(projection(in, width, stride, dtype)) {}

  void parts(Parts& p) override {
    p("conv1", conv1)("bn1", bn1)("conv2", conv2)("bn2", bn2);
    if (downsample) p("downsample", *downsample);
  }

  Var forward(const Var& x) override {                                // x: [N, H, W, in]
    Var y = conv_bn(conv1, bn1, Activation::relu, x);                 // [N, H/s, W/s, width]
    Var shortcut = downsample ? downsample->forward(x) : x;           // [N, H/s, W/s, width]
    return seen(conv_bn(conv2, bn2, Activation::relu, y, shortcut));  // [N, H/s, W/s, width]
  }

  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  std::unique_ptr<ConvBn> downsample;
};

class Bottleneck : public ResidualBlock {
 public:
  static constexpr int64_t kExpansion = 4;

  Bottleneck(int64_t in, int64_t width, int64_t stride, DType dtype)
      : conv1({.in = in, .out = width, .size = 1, .bias = false}, dtype),
        bn1(width, dtype),
        conv2({.in = width, .out = width, .size = 3, .stride = stride, .padding = 1, .bias = false}, dtype),
        bn2(width, dtype),
        conv3({.in = width, .out = kExpansion * width, .size = 1, .bias = false}, dtype),
        bn3(kExpansion * width, dtype),
        downsample(projection(in, kExpansion * width, stride, dtype)) {}

  void parts(Parts& p) override {
    p("conv1", conv1)("bn1", bn1)("conv2", conv2)("bn2", bn2)("conv3", conv3)("bn3", bn3);
    if (downsample) p("downsample", *downsample);
  }

  Var forward(const Var& x) override {                                // x: [N, H, W, in]
    Var y = conv_bn(conv1, bn1, Activation::relu, x);                 // [N, H, W, width]
    y = conv_bn(conv2, bn2, Activation::relu, y);                     // [N, H/s, W/s, width]
    Var shortcut = downsample ? downsample->forward(x) : x;           // [N, H/s, W/s, 4 width]
    return seen(conv_bn(conv3, bn3, Activation::relu, y, shortcut));  // [N, H/s, W/s, 4 width]
  }

  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  Conv2d conv3;
  BatchNorm2d bn3;
  std::unique_ptr<ConvBn> downsample;
};

// Appends the blocks of one layer; the first one strides. Returns the channels that come out.
template <class Block>
int64_t add_blocks(ModuleList<ResidualBlock>& layer, int64_t count, int64_t in, int64_t width, int64_t stride,
                   DType dtype) {
  for (int64_t i = 0; i < count; ++i) {
    layer.items.push_back(std::make_unique<Block>(in, width, i == 0 ? stride : 1, dtype));
    in = Block::kExpansion * width;
  }
  return in;
}

int64_t feature_count(const ResNetConfig& config) {
  return config.width * 8 * (config.bottleneck ? Bottleneck::kExpansion : BasicBlock::kExpansion);
}

ModelInfo entry(const char* name, const ResNetConfig& config) {
  return {name, Labels::imagenet, kImageNetInput, [config](int64_t classes, uint64_t seed, DType dtype) {
            return std::make_unique<ResNet>(config, classes, seed, dtype);
          }};
}

}  // namespace

ResNet::ResNet(const ResNetConfig& config, int64_t classes, uint64_t seed, DType dtype)
    : Classifier(dtype),
      conv1({.in = 3, .out = config.width, .size = 7, .stride = 2, .padding = 3, .bias = false}, dtype),
      bn1(config.width, dtype),
      fc(feature_count(config), classes, dtype) {
  int64_t in = config.width;
  for (size_t i = 0; i < layers.size(); ++i) {
    auto add = config.bottleneck ? add_blocks<Bottleneck> : add_blocks<BasicBlock>;
    in = add(layers[i], config.blocks[i], in, config.width << i, i == 0 ? 1 : 2, dtype);
  }
  Init init{seed};
  for_each_layer<Conv2d>(*this, [&](const std::string& name, Conv2d& conv) {
    init.kaiming_normal_fan_out(conv.weight, name + ".weight");
  });
  fc.init(init, "fc");
}

void ResNet::parts(Parts& p) {
  p("conv1", conv1)("bn1", bn1);
  p("layer1", layers[0])("layer2", layers[1])("layer3", layers[2])("layer4", layers[3]);
  p("fc", fc);
}

std::vector<Stage> ResNet::stages() const {
  return {{"conv1", {"conv1", "bn1"}},
          {"layer1", {"layer1"}},
          {"layer2", {"layer2"}},
          {"layer3", {"layer3"}},
          {"layer4", {"layer4"}}};
}

Var ResNet::run_stage(size_t stage, const Var& x) {
  if (stage == 0) {                                                // x: [N, H, W, 3]
    Var y = conv_bn(conv1, bn1, Activation::relu, x);              // [N, H/2, W/2, width]
    return max_pool2d(y, {.size = 3, .stride = 2, .padding = 1});  // [N, H/4, W/4, width]
  }
  Var y = x;
  for (auto& block : layers[stage - 1].items) y = block->forward(y);  // [N, H', W', C']
  return y;
}

void ResNet::replace_head(int64_t classes, uint64_t seed) {
  fc = Linear(fc.weight.var.dim(1), classes, dtype());
  fc.init(Init{seed}, "fc");
}

std::vector<ModelInfo> resnet_models() {
  return {entry("resnet18", kResNet18), entry("resnet34", kResNet34), entry("resnet50", kResNet50),
          entry("resnet101", kResNet101), entry("resnet152", kResNet152)};
}

}  // namespace graft::nn
