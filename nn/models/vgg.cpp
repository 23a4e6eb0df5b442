#include "nn/models/vgg.h"

namespace graft::nn {
namespace {

constexpr int64_t kGrid = 7;  // the dense layers see the picture as 7 x 7 cells

ModelInfo entry(const char* name, VggConfig config, bool batch_norm) {
  config.batch_norm = batch_norm;
  return {name, Labels::imagenet, kImageNetInput, [config](int64_t classes, uint64_t seed, DType dtype) {
            return std::make_unique<Vgg>(config, classes, seed, dtype);
          }};
}

}  // namespace

Vgg::Vgg(const VggConfig& config, int64_t classes, uint64_t seed, DType dtype)
    : Classifier(dtype),
      hidden1({.in = kGrid * kGrid * config.widths.back(),
               .out = config.hidden,
               .published = Published::flat_chw7},
              dtype),
      hidden2(config.hidden, config.hidden, dtype),
      hidden_drop(0.5, seed),
      drop(0.5, seed + 1),
      fc(config.hidden, classes, dtype) {
  int64_t in = 3;
  int number = 0;
  for (size_t stage = 0; stage < layers.size(); ++stage) {
    for (int i = 0; i < config.convolutions[stage]; ++i) {
      Layer layer;
      layer.name = str("features.", number++);
      layer.conv = std::make_unique<Conv2d>(
          Conv2d::Config{.in = in, .out = config.widths[stage], .size = 3, .padding = 1}, dtype);
      if (config.batch_norm) {
        layer.bn_name = str("features.", number++);
        layer.bn = std::make_unique<BatchNorm2d>(config.widths[stage], dtype);
      }
      ++number;  // the activation
      layers[stage].push_back(std::move(layer));
      in = config.widths[stage];
    }
    ++number;  // the pooling
  }
  Init init{seed};
  for_each_layer<Conv2d>(*this, [&](const std::string& name, Conv2d& conv) {
    init.kaiming_normal_fan_out(conv.weight, name + ".weight");
  });
  for_each_layer<Linear>(*this, [&](const std::string& name, Linear& linear) {
    init.normal(linear.weight, name + ".weight", 0.01);
  });
}

void Vgg::parts(Parts& p) {
  for (auto& stage : layers) {
    for (Layer& layer : stage) {
      p(layer.name, *layer.conv);
      if (layer.bn) p(layer.bn_name, *layer.bn);
    }
  }
  p("classifier.0", hidden1)("classifier.2", hidden_drop)("classifier.3", hidden2);
  p("classifier.5", drop)("classifier.6", fc);
}

std::vector<Stage> Vgg::stages() const {
  std::vector<Stage> all;
  for (const auto& stage_layers : layers) {
    Stage stage{str("stage", all.size() + 1), {}};
    for (const Layer& layer : stage_layers) {
      stage.prefixes.push_back(layer.name);
      if (layer.bn) stage.prefixes.push_back(layer.bn_name);
    }
    all.push_back(std::move(stage));
  }
  all.push_back({"dense", {"classifier.0", "classifier.3"}});
  return all;
}

Var Vgg::run_stage(size_t stage, const Var& x) {  // x: [N, H, W, C]
  Var y = x;
  if (stage < layers.size()) {
    for (Layer& layer : layers[stage]) {  // [N, H, W, C']
      y = layer.bn ? conv_bn(*layer.conv, *layer.bn, Activation::relu, y)
                   : conv_act(*layer.conv, Activation::relu, y);
    }
    return max_pool2d(y, {.size = 2, .stride = 2});  // [N, H/2, W/2, C']
  }
  y = adaptive_avg_pool2d(y, kGrid, kGrid);                    // [N, 7, 7, 512]
  y = reshape(y, {y.dim(0), y.dim(1) * y.dim(2) * y.dim(3)});  // [N, 25088]
  y = hidden_drop.forward(relu(hidden1.forward(y)));           // [N, hidden]
  y = relu(hidden2.forward(y));                                // [N, hidden]
  return reshape(y, {y.dim(0), 1, 1, y.dim(1)});               // [N, 1, 1, hidden]: a map of one pixel
}

void Vgg::replace_head(int64_t classes, uint64_t seed) {
  fc = Linear(fc.weight.var.dim(1), classes, dtype());
  Init{seed}.normal(fc.weight, "classifier.6.weight", 0.01);
}

std::vector<ModelInfo> vgg_models() {
  std::vector<ModelInfo> all;
  for (bool bn : {false, true}) {
    all.push_back(entry(bn ? "vgg11_bn" : "vgg11", kVgg11, bn));
    all.push_back(entry(bn ? "vgg13_bn" : "vgg13", kVgg13, bn));
    all.push_back(entry(bn ? "vgg16_bn" : "vgg16", kVgg16, bn));
    all.push_back(entry(bn ? "vgg19_bn" : "vgg19", kVgg19, bn));
  }
  return all;
}

}  // namespace graft::nn
