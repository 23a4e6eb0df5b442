#include "nn/models/efficientnet.h"

#include <algorithm>
#include <cmath>

namespace graft::nn {
namespace {

using Names = EfficientNetConfig::Names;

// The nearest multiple of 8, but not more than a tenth below.
int64_t channels(double wanted) {
  int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * wanted ? rounded + 8 : rounded;
}
int64_t widened(int64_t base, const EfficientNetConfig& config) {
  return channels(static_cast<double>(base) * config.width);
}
int64_t repeats(const MbConvRow& row, const EfficientNetConfig& config) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(row.repeats) * config.depth));
}
int64_t last_channels(const EfficientNetConfig& config) {
  return config.last > 0 ? config.last : 4 * widened(config.rows.back().out, config);
}

// What stands before and behind `size` pixels in TensorFlow's padding "SAME".
std::pair<int64_t, int64_t> same_padding(int64_t size, int64_t window, int64_t stride) {
  int64_t outputs = (size + stride - 1) / stride;
  int64_t all = std::max<int64_t>(0, (outputs - 1) * stride + window - size);
  return {all / 2, all - all / 2};
}

Var padded(const Var& x, int axis, std::pair<int64_t, int64_t> padding) {
  std::vector<Var> parts;
  auto zeros = [&](int64_t count) {
    if (count == 0) return;
    Shape shape = x.shape();
    shape[axis] = count;
    parts.push_back(Var(Tensor::zeros(shape, x.value().dtype(), x.value().device())));
  };
  zeros(padding.first);
  parts.push_back(x);
  zeros(padding.second);
  return parts.size() == 1 ? x : concat(parts, axis);
}

Conv2d::Config without_bias(Conv2d::Config config, const EfficientNetConfig& network) {
  config.bias = false;
  bool strides = network.same_padding && config.stride > 1;
  config.padding = strides ? 0 : (config.size - 1) / 2;
  return config;
}

EfficientNetConfig torchvision_config(int number) {
  struct Scale {
    double width, depth, dropout;
  };
  constexpr std::array<Scale, 8> kScales = {{{1.0, 1.0, 0.2},
                                             {1.0, 1.1, 0.2},
                                             {1.1, 1.2, 0.3},
                                             {1.2, 1.4, 0.3},
                                             {1.4, 1.8, 0.4},
                                             {1.6, 2.2, 0.4},
                                             {1.8, 2.6, 0.5},
                                             {2.0, 3.1, 0.5}}};
  EfficientNetConfig config;
  const Scale& scale = kScales[static_cast<size_t>(number)];
  config.width = scale.width;
  config.depth = scale.depth;
  config.dropout = scale.dropout;
  if (number >= 5) config.norm = {.eps = 1e-3, .momentum = 0.01};
  return config;
}

EfficientNetConfig tensorflow_config(int number) {
  EfficientNetConfig config = torchvision_config(number);
  config.norm = {.eps = 1e-3, .momentum = 0.01};
  config.names = Names::timm;
  config.same_padding = true;
  return config;
}

// Sizes that the weights were published with: torchvision's weights (IMAGENET1K_V1), and timm's input size
// divided by its crop_pct.
InputSpec input_of(int number, Names names) {
  constexpr std::array<std::pair<int64_t, int64_t>, 8> kTorchvision = {
      {{256, 224}, {256, 240}, {288, 288}, {320, 300}, {384, 380}, {456, 456}, {528, 528}, {600, 600}}};
  constexpr std::array<std::pair<int64_t, int64_t>, 8> kTimm = {
      {{256, 224}, {272, 240}, {292, 260}, {331, 300}, {412, 380}, {488, 456}, {560, 528}, {632, 600}}};
  auto [resize, size] = (names == Names::timm ? kTimm : kTorchvision)[static_cast<size_t>(number)];
  InputSpec spec = kImageNetInput;
  spec.resize = resize;
  spec.size = size;
  spec.bicubic = true;
  return spec;
}

}  // namespace

ConvNorm::ConvNorm(Conv2d::Config config, const EfficientNetConfig& network, DType dtype)
    : conv(without_bias(config, network), dtype),
      bn(config.out, dtype, network.norm),
      same_padding(network.same_padding) {}

Var ConvNorm::forward(const Var& x, const Var& residual) {  // x: [N, H, W, in]
  Var y = x;
  if (int64_t size = conv.weight.var.dim(1), stride = conv.how.stride; same_padding && stride > 1) {
    y = padded(y, 1, nn::same_padding(y.dim(1), size, stride));  // [N, H + p, W, in]
    y = padded(y, 2, nn::same_padding(y.dim(2), size, stride));  // [N, H + p, W + q, in]
  }
  return conv_bn(conv, bn, Activation::none, y, residual);  // [N, H/s, W/s, out]
}

MbConv::MbConv(const MbConvRow& row, int64_t in, int64_t out, int64_t stride, double drop_path, uint64_t seed,
               const EfficientNetConfig& network, DType dtype)
    : filter({.in = row.expansion * in,
              .out = row.expansion * in,
              .size = row.size,
              .stride = stride,
              .groups = row.expansion * in},
             network, dtype),
      squeeze({.in = row.expansion * in, .out = std::max<int64_t>(1, in / 4), .size = 1}, dtype),
      excite({.in = std::max<int64_t>(1, in / 4), .out = row.expansion * in, .size = 1}, dtype),
      project({.in = row.expansion * in, .out = out, .size = 1}, network, dtype),
      path(drop_path, seed),
      names(network.names) {
  if (row.expansion != 1) {
    expand = std::make_unique<ConvNorm>(Conv2d::Config{.in = in, .out = row.expansion * in, .size = 1},
                                        network, dtype);
  }
}

void MbConv::parts(Parts& p) {
  if (names == Names::torchvision) {
    int i = 0;
    auto next = [&](ConvNorm& step) {
      p(str("block.", i, ".0"), step.conv)(str("block.", i, ".1"), step.bn);
      ++i;
    };
    if (expand) next(*expand);
    next(filter);
    p(str("block.", i, ".fc1"), squeeze)(str("block.", i, ".fc2"), excite);
    ++i;
    next(project);
  } else {
    int i = 0;
    auto next = [&](const char* name, ConvNorm& step) { p(name, step.conv)(str("bn", ++i), step.bn); };
    if (expand) next("conv_pw", *expand);
    next("conv_dw", filter);
    p("se.conv_reduce", squeeze)("se.conv_expand", excite);
    next(expand ? "conv_pwl" : "conv_pw", project);
  }
  p("stochastic_depth", path);
}

Var MbConv::forward(const Var& x) {               // x: [N, H, W, in]
  Var y = expand ? silu(expand->forward(x)) : x;  // [N, H, W, expansion in]
  y = silu(filter.forward(y));                    // [N, H/s, W/s, expansion in]
  Var s = global_avg_pool(y);                     // [N, expansion in]
  s = reshape(s, {s.dim(0), 1, 1, s.dim(1)});     // [N, 1, 1, expansion in]
  s = sigmoid(excite.forward(silu(squeeze.forward(s))));
  y = scale_channels(y, reshape(s, {s.dim(0), s.dim(3)}));  // [N, H/s, W/s, expansion in]
  bool stays = filter.conv.how.stride == 1 && x.dim(-1) == project.conv.weight.var.dim(0);
  bool drops = stays && path.training() && path.p() > 0;
  if (!drops) return seen(project.forward(y, stays ? x : Var()));  // [N, H/s, W/s, out]
  y = project.forward(y);
  auto ones = [&](int64_t rows) {
    return Var(Tensor::full({rows, 1}, 1, y.value().dtype(), y.value().device()));
  };
  Var kept = linear(path.forward(ones(y.dim(0))), ones(y.dim(-1)));  // [N, out]: a row is 0 or 1 / (1 - p)
  return seen(add(scale_channels(y, kept), x));
}

EfficientNet::EfficientNet(const EfficientNetConfig& config, int64_t classes, uint64_t seed, DType dtype)
    : Classifier(dtype),
      stem({.in = 3, .out = widened(config.stem, config), .size = 3, .stride = 2}, config, dtype),
      last({.in = widened(config.rows.back().out, config), .out = last_channels(config), .size = 1}, config,
           dtype),
      drop(config.dropout, seed),
      fc(last_channels(config), classes, dtype),
      names_(config.names) {
  int64_t total = 0, number = 0;
  for (const MbConvRow& row : config.rows) total += repeats(row, config);
  for (const MbConvRow& row : config.rows) {
    ModuleList<MbConv>& blocks = rows.emplace_back();
    for (int64_t i = 0; i < repeats(row, config); ++i, ++number) {
      double drops = config.drop_path * static_cast<double>(number) / static_cast<double>(total);
      blocks.emplace(row, widened(i == 0 ? row.in : row.out, config), widened(row.out, config),
                     i == 0 ? row.stride : 1, drops, seed + static_cast<uint64_t>(number) + 1, config, dtype);
    }
  }
  Init init{seed};
  for_each_layer<Conv2d>(*this, [&](const std::string& name, Conv2d& conv) {
    init.kaiming_normal_fan_out(conv.weight, name + ".weight");
  });
  init_head(seed);
}

void EfficientNet::init_head(uint64_t seed) {
  Init init{seed};
  double bound = 1 / std::sqrt(static_cast<double>(fc.weight.var.dim(0)));
  init.uniform(fc.weight, head_name() + ".weight", bound);
}

std::string EfficientNet::head_name() const {
  return names_ == Names::timm ? "classifier" : "classifier.1";
}

std::string EfficientNet::row_name(size_t row) const {
  return names_ == Names::timm ? str("blocks.", row) : str("features.", row + 1);
}

void EfficientNet::parts(Parts& p) {
  bool timm = names_ == Names::timm;
  p(timm ? "conv_stem" : "features.0.0", stem.conv)(timm ? "bn1" : "features.0.1", stem.bn);
  for (size_t i = 0; i < rows.size(); ++i) p(row_name(i), rows[i]);
  size_t end = rows.size() + 1;
  p(timm ? "conv_head" : str("features.", end, ".0"), last.conv);
  p(timm ? "bn2" : str("features.", end, ".1"), last.bn);
  p(timm ? "dropout" : "classifier.0", drop)(head_name(), fc);
}

std::vector<Stage> EfficientNet::stages() const {
  bool timm = names_ == Names::timm;
  std::vector<Stage> all;
  all.push_back(timm ? Stage{"conv_stem", {"conv_stem", "bn1"}} : Stage{"features.0", {"features.0"}});
  for (size_t i = 0; i < rows.size(); ++i) all.push_back({row_name(i), {row_name(i)}});
  std::string end = str("features.", rows.size() + 1);
  all.push_back(timm ? Stage{"conv_head", {"conv_head", "bn2"}} : Stage{end, {end}});
  return all;
}

Var EfficientNet::run_stage(size_t stage, const Var& x) {  // x: [N, H, W, C]
  if (stage == 0) return silu(stem.forward(x));            // [N, H/2, W/2, stem]
  if (stage > rows.size()) return silu(last.forward(x));   // [N, H, W, last]
  Var y = x;
  for (size_t i = 0; i < rows[stage - 1].size(); ++i) y = rows[stage - 1][i].forward(y);
  return y;  // [N, H/s, W/s, C']
}

void EfficientNet::replace_head(int64_t classes, uint64_t seed) {
  fc = Linear(fc.weight.var.dim(1), classes, dtype());
  init_head(seed);
}

std::vector<ModelInfo> efficientnet_models() {
  std::vector<ModelInfo> all;
  for (Names names : {Names::torchvision, Names::timm}) {
    for (int number = 0; number < 8; ++number) {
      bool timm = names == Names::timm;
      auto config = timm ? tensorflow_config(number) : torchvision_config(number);
      all.push_back({str(timm ? "tf_" : "", "efficientnet_b", number), Labels::imagenet,
                     input_of(number, names), [config](int64_t classes, uint64_t seed, DType dtype) {
                       return std::make_unique<EfficientNet>(config, classes, seed, dtype);
                     }});
    }
  }
  return all;
}

}  // namespace graft::nn
