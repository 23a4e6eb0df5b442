#include "nn/models/mobilenet_v2.h"

#include <algorithm>

namespace graft::nn {
namespace {

// The nearest multiple of 8, but not more than a tenth below.
int64_t channels(double wanted) {
  int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * wanted ? rounded + 8 : rounded;
}

int64_t stem_channels(const MobileNetV2Config& config) {
  return channels(32 * config.width);
}
int64_t trunk_channels(const MobileNetV2Config& config) {
  return channels(static_cast<double>(config.rows.back().out) * config.width);
}
int64_t last_channels(const MobileNetV2Config& config) {
  return channels(static_cast<double>(config.last) * std::max(1.0, config.width));
}

}  // namespace

InvertedResidual::InvertedResidual(int64_t in, int64_t out, int64_t stride, int64_t expansion, DType dtype)
    : filter({.in = expansion * in,
              .out = expansion * in,
              .size = 3,
              .stride = stride,
              .padding = 1,
              .groups = expansion * in},
             Activation::relu6, dtype),
      project({.in = expansion * in, .out = out, .size = 1, .bias = false}, dtype),
      project_bn(out, dtype) {
  if (expansion != 1) {
    expand = std::make_unique<ConvBn>(Conv2d::Config{.in = in, .out = expansion * in, .size = 1},
                                      Activation::relu6, dtype);
  }
}

void InvertedResidual::parts(Parts& p) {
  int i = 0;
  if (expand) p(str("conv.", i++), *expand);
  p(str("conv.", i), filter)(str("conv.", i + 1), project)(str("conv.", i + 2), project_bn);
}

Var InvertedResidual::forward(const Var& x) {  // x: [N, H, W, in]
  Var y = expand ? expand->forward(x) : x;     // [N, H, W, expansion in]
  y = filter.forward(y);                       // [N, H/s, W/s, expansion in]
  bool stays = filter.conv.how.stride == 1 && x.dim(-1) == project.weight.var.dim(0);
  return seen(conv_bn(project, project_bn, Activation::none, y, stays ? x : Var()));  // [N, H/s, W/s, out]
}

MobileNetV2::MobileNetV2(const MobileNetV2Config& config, int64_t classes, uint64_t seed, DType dtype)
    : Classifier(dtype),
      stem({.in = 3, .out = stem_channels(config), .size = 3, .stride = 2, .padding = 1}, Activation::relu6,
           dtype),
      last({.in = trunk_channels(config), .out = last_channels(config), .size = 1}, Activation::relu6, dtype),
      drop(0.2, seed),
      fc(last_channels(config), classes, dtype) {
  int64_t in = stem_channels(config);
  for (const InvertedResiduals& row : config.rows) {
    int64_t out = channels(static_cast<double>(row.out) * config.width);
    for (int64_t i = 0; i < row.repeats; ++i) {
      blocks.emplace(in, out, i == 0 ? row.stride : 1, row.expansion, dtype);
      in = out;
    }
  }
  Init init{seed};
  for_each_layer<Conv2d>(*this, [&](const std::string& name, Conv2d& conv) {
    init.kaiming_normal_fan_out(conv.weight, name + ".weight");
  });
  init.normal(fc.weight, "classifier.1.weight", 0.01);
}

void MobileNetV2::parts(Parts& p) {
  p("features.0", stem);
  for (size_t i = 0; i < blocks.size(); ++i) p(str("features.", i + 1), blocks[i]);
  p(str("features.", blocks.size() + 1), last);
  p("classifier.0", drop)("classifier.1", fc);
}

std::vector<Stage> MobileNetV2::stages() const {
  std::vector<Stage> all;
  for (size_t i = 0; i < blocks.size() + 2; ++i) all.push_back({str("features.", i), {str("features.", i)}});
  return all;
}

Var MobileNetV2::run_stage(size_t stage, const Var& x) {            // x: [N, H, W, C]
  if (stage == 0) return stem.forward(x);                           // [N, H/2, W/2, 32]
  if (stage <= blocks.size()) return blocks[stage - 1].forward(x);  // [N, H/s, W/s, C']
  return last.forward(x);                                           // [N, H, W, 1280]
}

void MobileNetV2::replace_head(int64_t classes, uint64_t seed) {
  fc = Linear(fc.weight.var.dim(1), classes, dtype());
  Init{seed}.normal(fc.weight, "classifier.1.weight", 0.01);
}

std::vector<ModelInfo> mobilenet_v2_models() {
  return {{"mobilenet_v2", Labels::imagenet, kImageNetInput, [](int64_t classes, uint64_t seed, DType dtype) {
             return std::make_unique<MobileNetV2>(kMobileNetV2, classes, seed, dtype);
           }}};
}

}  // namespace graft::nn
