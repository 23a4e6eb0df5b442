// Vision transformers (Dosovitskiy et al., "An image is worth 16x16 words", 2021). One network under two
// publishers' names, torchvision's and Hugging Face's, whose norms have different epsilons.
#pragma once

#include "nn/encoder_block.h"
#include "nn/models/classifier.h"
#include "nn/models/registry.h"

namespace graft::nn {

struct VitConfig {
  int64_t image = 224, patch = 16;  // pixels of a side; whole patches only
  int64_t width = 768, layers = 12, heads = 12, inner = 3072;
  EncoderBlockConfig::Names names = EncoderBlockConfig::Names::torchvision;
  double eps = 1e-6;
  Nonlinearity activation = Nonlinearity::gelu;
  double dropout = 0;
  bool qkv_bias = true;
};
inline constexpr VitConfig kVitB16{}, kVitB32{224, 32}, kVitL16{224, 16, 1024, 24, 16, 4096},
    kVitL32{224, 32, 1024, 24, 16, 4096};

// The published network of Hugging Face's own sizes.
constexpr VitConfig huggingface(VitConfig config, int64_t image = 224) {
  config.names = EncoderBlockConfig::Names::huggingface;
  config.eps = 1e-12;
  config.image = image;
  return config;
}

// The pooled features of this network are the class token's vector after the last norm, [N, width].
class Vit : public Classifier {
 public:
  explicit Vit(const VitConfig& config = kVitB16, int64_t classes = 1000, uint64_t seed = 0,
               DType dtype = DType::f32);
  void parts(Parts& p) override;
  std::vector<Stage> stages() const override;
  Var head(const Var& pooled) override { return fc.forward(pooled); }
  std::string head_name() const override;
  Conv2d& first_conv() override { return patches; }
  int64_t classes() const override { return fc.weight.var.dim(0); }
  void replace_head(int64_t classes, uint64_t seed) override;
  bool recordable() const override { return false; }  // the places' numbers come from the CPU

  VitConfig config;
  Parameter class_token, places;  // [1, 1, C] and [1, 1 + patches, C]
  Conv2d patches;
  Dropout drop;
  std::vector<std::unique_ptr<EncoderBlock>> layers;
  LayerNorm norm;
  Linear fc;

 protected:
  Var run_stage(size_t stage, const Var& x) override;
  Var pool(const Var& map) override;

 private:
  bool torchvision() const { return config.names == EncoderBlockConfig::Names::torchvision; }
  std::string layer_name(size_t i) const;
};

// vit_b_16, vit_b_32, vit_l_16, vit_l_32 (torchvision's names), and hf_vit_b_16 and its like (Hugging Face's;
// hf_vit_b_16_384 takes pictures of 384 pixels a side).
std::vector<ModelInfo> vit_models();

}  // namespace graft::nn
