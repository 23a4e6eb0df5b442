#include "transfer/family.h"

#include <filesystem>

#include "transfer/clip.h"
#include "transfer/language.h"
#include "transfer/text_encoder.h"
#include "transfer/vit.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;
using weights::Config;

std::string config_beside(const std::string& path) {
  std::error_code error;
  fs::path folder = fs::is_directory(path, error) ? fs::path(path) : fs::path(path).parent_path();
  fs::path config = folder / "config.json";
  return fs::exists(config, error) ? config.string() : "";
}

std::string describe(const nn::ClipConfig& c) {
  auto tower = [](const nn::ClipTowerConfig& t) {
    return str(t.layers, " layers of width ", t.width, " with ", t.heads, " heads");
  };
  return str("CLIP, pictures of ", c.vision.image, " x ", c.vision.image, " pixels in patches of ",
             c.vision.patch, " (", tower(c.vision.tower), "), texts of up to ", c.text.positions, " tokens (",
             tower(c.text.tower), "), vectors of ", c.projection);
}

std::string describe(const nn::VitConfig& c, size_t labels) {
  return str("ViT, pictures of ", c.image, " x ", c.image, " pixels in patches of ", c.patch, ", ", c.layers,
             " layers of width ", c.width, " with ", c.heads, " heads, ", labels, " labels");
}

std::string describe(const nn::BertConfig& c) {
  return str(c.roberta ? "RoBERTa, " : "BERT, ", c.layers, " layers of width ", c.width, " with ", c.heads,
             " heads, ", c.vocabulary, " tokens, ", c.positions, " positions");
}

std::string describe(const nn::Gpt2Config& c) {
  return str("GPT-2, ", c.layers, " layers of width ", c.width, " with ", c.heads, " heads, ", c.vocabulary,
             " tokens, ", c.positions, " positions");
}

std::string describe(const nn::T5Config& c) {
  return str("T5, ", c.layers, " + ", c.decoder_layers, " layers of width ", c.width, " with ", c.heads,
             " heads, ", c.vocabulary, " tokens");
}

}  // namespace

std::string family_of(const std::string& path) {
  if (std::string config = config_beside(path); !config.empty())
    return Config::read(config).text_or("model_type", "");
  std::error_code error;
  if (path.empty() || !fs::exists(path, error)) return "";
  return has_openai_names(weights::Checkpoint::open(path)) ? "clip" : "";
}

std::string description_of(const std::string& path) {
  std::string family = family_of(path), beside = config_beside(path);
  if (family == "clip" && beside.empty()) return describe(clip_config_of(weights::Checkpoint::open(path)));
  if (beside.empty()) return "";
  Config config = Config::read(beside);
  if (family == "clip") return describe(clip_config(config));
  if (family == "vit") return describe(vit_config(config), config.labels("id2label").size());
  if (family == "bert" || family == "roberta") return describe(bert_config(config));
  if (family == "gpt2") return describe(gpt2_config(config));
  if (family == "t5") return describe(t5_config(config));
  return "";
}

weights::LoadReport load_report_of(const std::string& path) {
  std::string family = family_of(path);
  if (family == "clip") return load_clip(path).report;
  if (family == "vit") return load_vit(path).report;
  if (family == "bert" || family == "roberta") return load_text_encoder(path).report;
  if (family == "gpt2" || family == "t5") return load_language(path).report;
  fail<DataError>(printable(path), ": a network of the family \"", printable(family),
                  "\", which graft does not know");
}

}  // namespace graft::transfer
