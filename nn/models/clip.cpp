#include "nn/models/clip.h"

#include <algorithm>
#include <cmath>

namespace graft::nn {
namespace {

EncoderBlockConfig block_of(const ClipTowerConfig& c) {
  return {c.width, c.heads, c.inner, c.eps, c.activation};
}

void check_tower(const char* which, const ClipTowerConfig& c) {
  GRAFT_CHECK_AS(DataError, c.width >= 1 && c.layers >= 0 && c.inner >= 1, "CLIP's ", which, ": width ",
                 c.width, ", ", c.layers, " layers, inner width ", c.inner, ": all must be positive");
  GRAFT_CHECK_AS(DataError, c.heads >= 1 && c.width % c.heads == 0, "CLIP's ", which, ": width ", c.width,
                 " does not divide into ", c.heads, " heads");
}

const ClipVisionConfig& checked(const ClipVisionConfig& c) {
  check_tower("picture network", c.tower);
  GRAFT_CHECK_AS(DataError, c.patch >= 1 && c.image >= c.patch, "CLIP: pictures of ", c.image, " x ", c.image,
                 " pixels in patches of ", c.patch);
  return c;
}

const ClipTextConfig& checked(const ClipTextConfig& c) {
  check_tower("text network", c.tower);
  GRAFT_CHECK_AS(DataError, c.vocabulary >= 1 && c.positions >= 1, "CLIP: ", c.vocabulary, " tokens, ",
                 c.positions, " positions: both must be positive");
  return c;
}

int64_t patches_of(const ClipVisionConfig& c) {
  return (c.image / c.patch) * (c.image / c.patch);
}

// Where each row's end token stands.
std::vector<int64_t> end_positions(const Tensor& given, int64_t end) {
  Tensor ids = given.contiguous();
  std::vector<int64_t> out;
  for (int64_t b = 0; b < ids.dim(0); ++b) {
    const int64_t *row = ids.data<int64_t>() + b * ids.dim(1), *row_end = row + ids.dim(1);
    const int64_t* at = end == 2 ? std::max_element(row, row_end) : std::find(row, row_end, end);
    GRAFT_CHECK_AS(DataError, at != row_end, "CLIP: text ", b, " has no end token, ", end,
                   "; the tokenizer puts one behind every text");
    out.push_back(at - row);
  }
  return out;
}

// x times a scalar that has a gradient.
Var times(const Var& x, const Var& factor) {
  return reshape(linear(reshape(x, {x.shape().numel(), 1}), reshape(factor, {1, 1})), x.shape());
}

// Normal values, a little smaller for the table of tokens, as in the paper's code.
void initialise(Module& module, uint64_t seed) {
  Init init{seed};
  for (const NamedTensor& t : named_parameters(module)) {
    if (t.value().rank() >= 2 || t.name.ends_with("class_embedding")) {
      init.normal(*t.parameter, t.name, t.name.find("token_embedding") == std::string::npos ? 0.02 : 0.01);
    }
  }
}

}  // namespace

ClipVisionTower::ClipVisionTower(const ClipVisionConfig& c, DType dtype)
    : config(checked(c)),
      class_embedding(Tensor::zeros({c.tower.width}, dtype)),
      patch_embedding({.in = 3, .out = c.tower.width, .size = c.patch, .stride = c.patch, .bias = false},
                      dtype),
      position_embedding(patches_of(c) + 1, c.tower.width, -1, dtype),
      pre_norm(c.tower.width, c.tower.eps, dtype),
      post_norm(c.tower.width, c.tower.eps, dtype) {
  for (int64_t i = 0; i < c.tower.layers; ++i) layers.emplace(block_of(c.tower), 0, dtype);
}

void ClipVisionTower::parts(Parts& p) {
  p("embeddings.class_embedding", class_embedding)("embeddings.patch_embedding", patch_embedding);
  p("embeddings.position_embedding", position_embedding);
  p("pre_layrnorm", pre_norm)("encoder.layers", layers)("post_layernorm", post_norm);
}

Var ClipVisionTower::embedded(const Var& images) {
  GRAFT_CHECK_AS(UsageError,
                 images.shape().rank() == 4 && images.dim(1) == config.image && images.dim(2) == config.image,
                 "CLIP: pictures ", images.shape(), ", but this network takes [N, ", config.image, ", ",
                 config.image, ", 3]");
  Var grid = patch_embedding.forward(images);  // [N, G, G, C]
  Var patches = reshape(grid, {grid.dim(0), grid.dim(1) * grid.dim(2), grid.dim(3)});
  return pre_norm.forward(with_class_and_places(patches, class_embedding, position_embedding.weight));
}

Var ClipVisionTower::pooled(const Var& tokens) {
  return seen(post_norm.forward(reshape(slice(tokens, 1, 0, 1), {tokens.dim(0), tokens.dim(2)})));
}

Var ClipVisionTower::forward(const Var& images) {
  Var x = embedded(images);  // [N, T, C]
  for (auto& layer : layers.items) x = layer->forward(x);
  return pooled(x);  // [N, C]
}

ClipTextTower::ClipTextTower(const ClipTextConfig& c, DType dtype)
    : config(checked(c)),
      token_embedding(c.vocabulary, c.tower.width, -1, dtype),
      position_embedding(c.positions, c.tower.width, -1, dtype),
      final_norm(c.tower.width, c.tower.eps, dtype) {
  for (int64_t i = 0; i < c.tower.layers; ++i) layers.emplace(block_of(c.tower), 0, dtype);
}

void ClipTextTower::parts(Parts& p) {
  p("embeddings.token_embedding", token_embedding)("embeddings.position_embedding", position_embedding);
  p("encoder.layers", layers)("final_layer_norm", final_norm);
}

Var ClipTextTower::forward(const ClipTexts& texts) {
  GRAFT_CHECK(texts.ids.rank() == 2 && texts.ids.dtype() == DType::i64, "CLIP: tokens ", texts.ids,
              " are not i64 [B, T]");
  int64_t batch = texts.ids.dim(0), count = texts.ids.dim(1);
  GRAFT_CHECK_AS(UsageError, count <= config.positions, "CLIP: ", count, " tokens, but only ",
                 config.positions, " positions; cut the texts");
  Device device = token_embedding.weight.var.value().device();
  Var x = token_embedding.forward(texts.ids.contiguous().to(device));
  x = add(x, position_embedding.forward(positions(batch, count, 0, device)));  // [B, T, C]
  Tensor lengths = texts.lengths.defined() ? texts.lengths.to(device) : Tensor();
  for (auto& layer : layers.items) x = layer->forward(x, true, lengths);
  return seen(final_norm.forward(x));
}

Var ClipTextTower::pooled(const Var& hidden, const Tensor& ids) const {
  return tokens_at(hidden, end_positions(ids, config.end));
}

Clip::Clip(const ClipConfig& c, std::optional<uint64_t> seed, DType dtype)
    : config(c),
      text_model(c.text, dtype),
      vision_model(c.vision, dtype),
      visual_projection({.in = c.vision.tower.width, .out = c.projection, .bias = false}, dtype),
      text_projection({.in = c.text.tower.width, .out = c.projection, .bias = false}, dtype),
      logit_scale(Tensor::zeros({}, dtype)) {
  if (!seed) return;
  initialise(*this, *seed);
  Init{*seed}.constant(logit_scale, std::log(1 / 0.07));  // the paper's first temperature
}

void Clip::parts(Parts& p) {
  p("logit_scale", logit_scale)("text_model", text_model)("vision_model", vision_model);
  p("visual_projection", visual_projection)("text_projection", text_projection);
}

Var Clip::image_features(const Var& images) {
  return visual_projection.forward(vision_model.forward(images));
}

Var Clip::text_features(const ClipTexts& texts) {
  return text_projection.forward(text_model.pooled(text_model.forward(texts), texts.ids));
}

ClipLogits Clip::compare(const Var& images, const Var& texts) const {
  Var scaled = times(normalize_rows(texts), exp(logit_scale.var));
  Var per_text = matmul_nt(scaled, normalize_rows(images));  // [texts, images]
  return {permute(per_text, {1, 0}), per_text};
}

ClipLogits Clip::forward(const Var& images, const ClipTexts& texts) {
  Var pictures = image_features(images);
  return compare(pictures, text_features(texts));
}

Var Clip::contrastive_loss(const ClipLogits& logits) {
  int64_t count = logits.per_text.dim(0);
  GRAFT_CHECK(logits.per_text.dim(1) == count, "CLIP: the loss needs as many texts as pictures, got ", count,
              " and ", logits.per_text.dim(1));
  Tensor own = positions(1, count, 0, logits.per_text.value().device()).reshape({count});
  return scale(add(cross_entropy(logits.per_text, own), cross_entropy(logits.per_image, own)), 0.5);
}

ClipClassifier::ClipClassifier(const ClipVisionConfig& config, int64_t projection, int64_t classes,
                               uint64_t seed, DType dtype)
    : Classifier(dtype),
      vision_model(config, dtype),
      visual_projection({.in = config.tower.width, .out = projection, .bias = false}, dtype),
      fc(projection, classes, dtype) {
  initialise(*this, seed);
}

ClipClassifier::ClipClassifier(Clip&& clip, const Tensor& weight)
    : Classifier(weight.dtype()),
      vision_model(std::move(clip.vision_model)),
      visual_projection(std::move(clip.visual_projection)),
      fc(weight.dim(1), weight.dim(0), weight.dtype()),
      normalizes(true) {
  fc.weight.var.value().copy_from(weight);
}

void ClipClassifier::parts(Parts& p) {
  p("vision_model", vision_model)("visual_projection", visual_projection)("classifier", fc);
}

std::vector<Stage> ClipClassifier::stages() const {
  std::vector<Stage> all = {{"embeddings", {"vision_model.embeddings", "vision_model.pre_layrnorm"}}};
  for (size_t i = 0; i < vision_model.layers.size(); ++i)
    all.push_back({str("layer", i), {str("vision_model.encoder.layers.", i)}});
  for (const char* last : {"vision_model.post_layernorm", "visual_projection"})
    all.back().prefixes.emplace_back(last);
  return all;
}

Var ClipClassifier::run_stage(size_t stage, const Var& x) {  // [N, H, W, 3], then [N, T, C]
  return stage == 0 ? vision_model.embedded(x) : vision_model.layers[stage - 1].forward(x);
}

Var ClipClassifier::pool(const Var& map) {
  Var features = visual_projection.forward(vision_model.pooled(map));  // [N, projection]
  return normalizes ? normalize_rows(features) : features;
}

void ClipClassifier::replace_head(int64_t classes, uint64_t seed) {
  fc = Linear(fc.weight.var.dim(1), classes, dtype());
  Init{seed}.normal(fc.weight, "classifier.weight", 0.02);
}

std::vector<ModelInfo> clip_models() {
  auto entry = [](const char* name, const ClipConfig& config) {
    return ModelInfo{name, Labels::none, kClipInput, [config](int64_t classes, uint64_t seed, DType dtype) {
                       return std::make_unique<ClipClassifier>(config.vision, config.projection, classes,
                                                               seed, dtype);
                     }};
  };
  return {entry("clip_vit_b_32", kClipVitB32), entry("clip_vit_b_16", kClipVitB16),
          entry("clip_vit_l_14", kClipVitL14)};
}

}  // namespace graft::nn
