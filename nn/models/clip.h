// CLIP (Radford et al., "Learning transferable visual models from natural language supervision", 2021): a
// network for pictures and one for texts whose vectors are alike where a text says what is on a picture.
// Names and order as transformers'. What is particular: QuickGELU, a norm before the first block of the
// picture's network, texts read from left to right, and the vector of a text is that of its end token.
#pragma once

#include <optional>

#include "nn/encoder_block.h"
#include "nn/models/classifier.h"
#include "nn/models/registry.h"

namespace graft::nn {

struct ClipTowerConfig {
  int64_t width, layers, heads, inner;
  double eps = 1e-5;
  Nonlinearity activation = Nonlinearity::quick_gelu;
};

struct ClipVisionConfig {
  int64_t image = 224, patch = 32;  // pixels of a side; whole patches only
  ClipTowerConfig tower{768, 12, 12, 3072};
};

struct ClipTextConfig {
  int64_t vocabulary = 49408, positions = 77;
  ClipTowerConfig tower{512, 12, 8, 2048};
  // The end token. 2 is what the first published configurations say, although no text holds it: then the
  // token with the largest number ends a text, as in transformers.
  int64_t end = 2;
};

struct ClipConfig {
  ClipVisionConfig vision = {};
  ClipTextConfig text = {};
  int64_t projection = 512;  // of the vectors that are compared
};
inline constexpr ClipConfig kClipVitB32{};
inline constexpr ClipConfig kClipVitB16{.vision = {.patch = 16}};
inline constexpr ClipConfig kClipVitL14{.vision = {.patch = 14, .tower = {1024, 24, 16, 4096}},
                                        .text = {.tower = {768, 12, 12, 3072}},
                                        .projection = 768};

// The published preprocessing of pictures.
inline constexpr InputSpec kClipInput{
    224, 224, {0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}, true};

class ClipVisionTower : public Module {
 public:
  ClipVisionTower(const ClipVisionConfig& config, DType dtype);
  void parts(Parts& p) override;
  // images [N, H, W, 3] -> [N, C], the class token's vector at the end; the three steps of it are embedded,
  // the blocks and pooled.
  Var forward(const Var& images);
  Var embedded(const Var& images);  // [N, H, W, 3] -> [N, T, C]
  Var pooled(const Var& tokens);    // [N, T, C] -> [N, C]

  ClipVisionConfig config;
  Parameter class_embedding;
  Conv2d patch_embedding;
  Embedding position_embedding;
  LayerNorm pre_norm;
  ModuleList<EncoderBlock> layers;
  LayerNorm post_norm;
};

// Texts for CLIP: ids i64 [B, T] on the CPU, with start and end tokens; lengths i64 [B], padding not counted;
// undefined: no text has any.
struct ClipTexts {
  Tensor ids, lengths;
};

class ClipTextTower : public Module {
 public:
  ClipTextTower(const ClipTextConfig& config, DType dtype);
  void parts(Parts& p) override;
  // [B, T, C], after the last norm.
  Var forward(const ClipTexts& texts);
  // The end token's vector: hidden [B, T, C] -> [B, C]. Throws DataError for a text without an end token.
  Var pooled(const Var& hidden, const Tensor& ids) const;

  ClipTextConfig config;
  Embedding token_embedding, position_embedding;
  ModuleList<EncoderBlock> layers;
  LayerNorm final_norm;
};

struct ClipLogits {
  Var per_image;  // [images, texts]: the vectors' cosines times the exponential of logit_scale
  Var per_text;   // [texts, images]: the same, transposed
};

class Clip : public Module {
 public:
  // Starting values by `seed`; without one zeros, to be loaded.
  explicit Clip(const ClipConfig& config, std::optional<uint64_t> seed = {}, DType dtype = DType::f32);
  void parts(Parts& p) override;

  // [N, H, W, 3] -> [N, projection], and of texts [B, projection]; not normalised.
  Var image_features(const Var& images);
  Var text_features(const ClipTexts& texts);
  // Of features: normalised, compared, scaled.
  ClipLogits compare(const Var& images, const Var& texts) const;
  ClipLogits forward(const Var& images, const ClipTexts& texts);
  // For as many texts as pictures, where text i belongs to picture i: the mean of the cross-entropies of
  // choosing the text for a picture and the picture for a text.
  static Var contrastive_loss(const ClipLogits& logits);

  ClipConfig config;
  ClipTextTower text_model;
  ClipVisionTower vision_model;
  Linear visual_projection, text_projection;
  Parameter logit_scale;  // scalar: the logarithm of the factor
};

// The picture's network of a CLIP with a head on its vectors: what `tune` retrains; with text vectors as the
// head, and the vectors normalised, what zero-shot classification is. The names are CLIP's, the head's is
// "classifier".
class ClipClassifier : public Classifier {
 public:
  ClipClassifier(const ClipVisionConfig& config, int64_t projection, int64_t classes, uint64_t seed,
                 DType dtype = DType::f32);
  // Of a CLIP, whose picture network is taken away. weight: [classes, projection].
  ClipClassifier(Clip&& clip, const Tensor& weight);
  void parts(Parts& p) override;
  std::vector<Stage> stages() const override;
  Var head(const Var& pooled) override { return fc.forward(pooled); }
  std::string head_name() const override { return "classifier"; }
  Conv2d& first_conv() override { return vision_model.patch_embedding; }
  int64_t classes() const override { return fc.weight.var.dim(0); }
  void replace_head(int64_t classes, uint64_t seed) override;
  bool recordable() const override { return false; }  // the places' numbers come from the CPU

  ClipVisionTower vision_model;
  Linear visual_projection, fc;
  bool normalizes = false;  // the features, to length 1

 protected:
  Var run_stage(size_t stage, const Var& x) override;
  Var pool(const Var& map) override;
};

// clip_vit_b_32, clip_vit_b_16, clip_vit_l_14.
std::vector<ModelInfo> clip_models();

}  // namespace graft::nn
