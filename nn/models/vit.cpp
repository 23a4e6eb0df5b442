#include "nn/models/vit.h"

#include <cmath>

namespace graft::nn {
namespace {

const VitConfig& checked(const VitConfig& c) {
  GRAFT_CHECK_AS(DataError, c.width >= 1 && c.layers >= 1 && c.inner >= 1, "ViT: width ", c.width, ", ",
                 c.layers, " layers, inner width ", c.inner, ": all must be positive");
  GRAFT_CHECK_AS(DataError, c.heads >= 1 && c.width % c.heads == 0, "ViT: width ", c.width,
                 " does not divide into ", c.heads, " heads");
  GRAFT_CHECK_AS(DataError, c.patch >= 1 && c.image >= c.patch, "ViT: pictures of ", c.image, " x ", c.image,
                 " pixels in patches of ", c.patch);
  return c;
}

int64_t tokens_of(const VitConfig& c) {
  return 1 + (c.image / c.patch) * (c.image / c.patch);
}

}  // namespace

Vit::Vit(const VitConfig& c, int64_t classes, uint64_t seed, DType dtype)
    : Classifier(dtype),
      config(checked(c)),
      class_token(Tensor::zeros({1, 1, c.width}, dtype)),
      places(Tensor::zeros({1, tokens_of(c), c.width}, dtype)),
      patches({.in = 3, .out = c.width, .size = c.patch, .stride = c.patch}, dtype),
      drop(c.dropout, seed),
      norm(c.width, c.eps, dtype),
      fc(c.width, classes, dtype) {
  EncoderBlockConfig block{c.width, c.heads, c.inner, c.eps, c.activation, c.dropout, c.qkv_bias, c.names};
  for (int64_t i = 0; i < c.layers; ++i)
    layers.push_back(std::make_unique<EncoderBlock>(block, seed + 2 * static_cast<uint64_t>(i) + 1, dtype));
  Init init{seed};
  for (const NamedTensor& t : named_parameters(*this)) {
    if (t.value().rank() == 2 ||
        t.name == (torchvision() ? "encoder.pos_embedding" : "vit.embeddings.position_embeddings"))
      init.normal(*t.parameter, t.name, 0.02);
  }
  init.normal(patches.weight, "patches", std::sqrt(1.0 / static_cast<double>(fan_in(patches.weight))));
}

std::string Vit::layer_name(size_t i) const {
  return str(torchvision() ? "encoder.layers.encoder_layer_" : "vit.encoder.layer.", i);
}

std::string Vit::head_name() const {
  return torchvision() ? "heads.head" : "classifier";
}

void Vit::parts(Parts& p) {
  if (torchvision()) {
    p("class_token", class_token)("conv_proj", patches)("encoder.pos_embedding", places);
    p("encoder.dropout", drop);
  } else {
    p("vit.embeddings.cls_token", class_token)("vit.embeddings.position_embeddings", places);
    p("vit.embeddings.patch_embeddings.projection", patches)("vit.embeddings.dropout", drop);
  }
  for (size_t i = 0; i < layers.size(); ++i) p(layer_name(i), *layers[i]);
  p(torchvision() ? "encoder.ln" : "vit.layernorm", norm)(head_name(), fc);
}

std::vector<Stage> Vit::stages() const {
  Stage first{"embeddings", {"vit.embeddings"}};
  if (torchvision()) first.prefixes = {"class_token", "conv_proj", "encoder.pos_embedding"};
  std::vector<Stage> all = {first};
  for (size_t i = 0; i < layers.size(); ++i) all.push_back({str("layer", i), {layer_name(i)}});
  all.back().prefixes.emplace_back(torchvision() ? "encoder.ln" : "vit.layernorm");
  return all;
}

Var Vit::run_stage(size_t stage, const Var& x) {  // [N, H, W, 3], then [N, T, C]
  if (stage > 0) return layers[stage - 1]->forward(x);
  GRAFT_CHECK_AS(UsageError, x.dim(1) == config.image && x.dim(2) == config.image, "ViT: pictures ",
                 x.shape(), ", but this network takes [N, ", config.image, ", ", config.image, ", 3]");
  Var grid = patches.forward(x);  // [N, G, G, C]
  Var tokens = reshape(grid, {grid.dim(0), grid.dim(1) * grid.dim(2), grid.dim(3)});
  return drop.forward(with_class_and_places(tokens, class_token, places));  // [N, T, C]
}

Var Vit::pool(const Var& map) {
  return norm.forward(reshape(slice(map, 1, 0, 1), {map.dim(0), map.dim(2)}));  // [N, C]
}

void Vit::replace_head(int64_t classes, uint64_t seed) {
  fc = Linear(config.width, classes, dtype());
  Init{seed}.normal(fc.weight, head_name() + ".weight", 0.02);
}

std::vector<ModelInfo> vit_models() {
  std::vector<ModelInfo> all;
  auto add = [&](const std::string& name, const VitConfig& config, const InputSpec& input) {
    all.push_back({name, Labels::imagenet, input, [config](int64_t classes, uint64_t seed, DType dtype) {
                     return std::make_unique<Vit>(config, classes, seed, dtype);
                   }});
  };
  const std::pair<const char*, const VitConfig&> sizes[] = {
      {"vit_b_16", kVitB16}, {"vit_b_32", kVitB32}, {"vit_l_16", kVitL16}, {"vit_l_32", kVitL32}};
  for (const auto& [name, config] : sizes) {
    InputSpec input = kImageNetInput;
    if (config.width == kVitL16.width && config.patch == kVitL16.patch) input.resize = 242;  // torchvision's
    add(name, config, input);
  }
  for (int64_t image : {224, 384}) {
    InputSpec input{image, image, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};
    input.squash = true;
    for (const auto& [name, config] : sizes)
      add(str("hf_", name, image == 224 ? "" : "_384"), huggingface(config, image), input);
  }
  return all;
}

}  // namespace graft::nn
