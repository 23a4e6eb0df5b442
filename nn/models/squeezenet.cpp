#include "nn/models/squeezenet.h"

namespace graft::nn {
namespace {

constexpr Pool2d kPool{.size = 3, .stride = 2, .padding = 0, .ceil_mode = true};

Conv2d head_layer(int64_t in, int64_t classes, DType dtype) {
  return Conv2d({.in = in, .out = classes, .size = 1}, dtype);
}

ModelInfo entry(const char* name, const SqueezeNetConfig& config) {
  return {name, Labels::imagenet, kImageNetInput, [config](int64_t classes, uint64_t seed, DType dtype) {
            return std::make_unique<SqueezeNet>(config, classes, seed, dtype);
          }};
}

}  // namespace

Fire::Fire(int64_t in, int64_t squeezed, int64_t expanded, DType dtype)
    : squeeze({.in = in, .out = squeezed, .size = 1}, dtype),
      expand1x1({.in = squeezed, .out = expanded, .size = 1}, dtype),
      expand3x3({.in = squeezed, .out = expanded, .size = 3, .padding = 1}, dtype) {}

Var Fire::forward(const Var& x) {                        // x: [N, H, W, in]
  Var s = conv_act(squeeze, Activation::relu, x);        // [N, H, W, squeezed]
  Var one = conv_act(expand1x1, Activation::relu, s);    // [N, H, W, expanded]
  Var three = conv_act(expand3x3, Activation::relu, s);  // [N, H, W, expanded]
  return seen(concat_last({one, three}));                // [N, H, W, 2 expanded]
}

SqueezeNet::SqueezeNet(const SqueezeNetConfig& config, int64_t classes, uint64_t seed, DType dtype)
    : Classifier(dtype),
      stem({.in = 3, .out = config.stem_width, .size = config.stem_size, .stride = 2}, dtype),
      drop(0.5, seed),
      classifier(head_layer(2 * config.expand.back(), classes, dtype)),
      pool_before_(config.pool_before) {
  int64_t in = config.stem_width;
  for (size_t i = 0; i < config.squeeze.size(); ++i) {
    fires.emplace(in, config.squeeze[i], config.expand[i], dtype);
    in = 2 * config.expand[i];
  }
  Init init{seed};
  for_each_layer<Conv2d>(*this, [&](const std::string& name, Conv2d& conv) {
    if (&conv != &classifier) init.kaiming_uniform(conv.weight, name + ".weight");
  });
  init.normal(classifier.weight, "classifier.1.weight", 0.01);
}

// In torchvision's Sequential the stem, its ReLU and its pooling are numbers 0 to 2; further pooling steps
// count too.
std::string SqueezeNet::fire_name(size_t fire) const {
  size_t pools = (fire >= pool_before_[0]) + (fire >= pool_before_[1]);
  return str("features.", 3 + fire + pools);
}

void SqueezeNet::parts(Parts& p) {
  p("features.0", stem);
  for (size_t i = 0; i < fires.size(); ++i) p(fire_name(i), fires[i]);
  p("classifier.0", drop)("classifier.1", classifier);
}

std::vector<Stage> SqueezeNet::stages() const {
  std::vector<Stage> all = {{"features.0", {"features.0"}}};
  for (size_t i = 0; i < fires.size(); ++i) all.push_back({fire_name(i), {fire_name(i)}});
  return all;
}

Var SqueezeNet::run_stage(size_t stage, const Var& x) {  // x: [N, H, W, C]
  if (stage == 0) {
    Var y = conv_act(stem, Activation::relu, x);  // [N, (H - k) / 2 + 1, .., stem_width]
    return max_pool2d(y, kPool);                  // [N, H/4, W/4, stem_width]
  }
  Var y = fires[stage - 1].forward(x);                     // [N, H, W, 2 expand]
  return pooled_before(stage) ? max_pool2d(y, kPool) : y;  // what the next Fire module takes
}

Var SqueezeNet::finish(const Var& map) {                // map: [N, H, W, 512]
  Var y = relu(classifier.forward(drop.forward(map)));  // [N, H, W, classes]
  return global_avg_pool(y);                            // [N, classes]
}

Var SqueezeNet::head(const Var& pooled) {  // pooled: [N, 512]
  // No dropout: at each of the map's positions on its own it would all but vanish in the mean.
  Var map = reshape(pooled, {pooled.dim(0), 1, 1, pooled.dim(1)});
  return reshape(classifier.forward(map), {pooled.dim(0), classes()});
}

void SqueezeNet::replace_head(int64_t classes, uint64_t seed) {
  classifier = head_layer(classifier.weight.var.dim(-1), classes, dtype());
  Init init{seed};
  init.normal(classifier.weight, "classifier.1.weight", 0.01);
  init.constant(classifier.bias, kOpenBias);
}

std::vector<ModelInfo> squeezenet_models() {
  return {entry("squeezenet1_0", kSqueezeNet1_0), entry("squeezenet1_1", kSqueezeNet1_1)};
}

}  // namespace graft::nn
