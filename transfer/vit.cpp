#include "transfer/vit.h"

#include <filesystem>

#include "transfer/layer_count.h"
#include "transfer/preprocessor.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;
using weights::Config;

}  // namespace

nn::VitConfig vit_config(const Config& config) {
  config.one_of("model_type", {"vit"});
  nn::VitConfig c = nn::huggingface(nn::kVitB16);
  auto read = [&](const char* key, int64_t& value) {
    if (config.has(key)) value = config.size(key);
  };
  read("hidden_size", c.width);
  read("intermediate_size", c.inner);
  read("image_size", c.image);
  read("patch_size", c.patch);
  c.layers = config.integer_or("num_hidden_layers", c.layers, 1, 1024);
  if (config.has("num_attention_heads")) c.heads = config.heads("num_attention_heads", c.width);
  if (c.width % c.heads != 0)
    config.reject("hidden_size", "a multiple of ", c.heads, ", the number of attention heads");
  if (c.patch > c.image) config.reject("patch_size", "at most ", c.image, ", the pixels of a picture's side");
  if (config.integer_or("num_channels", 3, 1, 1024) != 3)
    config.reject("num_channels", "3: graft's pictures are red, green and blue");
  c.eps = config.number_or("layer_norm_eps", 1e-12, 0, 1);
  c.activation = config.nonlinearity("hidden_act", "gelu");
  c.dropout = config.number_or("hidden_dropout_prob", 0, 0, 0.999);
  c.qkv_bias = config.flag_or("qkv_bias", true);
  return c;
}

weights::NameMap vit_names(nn::EncoderBlockConfig::Names names) {
  if (names == nn::EncoderBlockConfig::Names::torchvision)
    return {.rename = {{"*.mlp.linear_1.*", "*.mlp.0.*"}, {"*.mlp.linear_2.*", "*.mlp.3.*"}}};
  return {.rename = {{"embeddings.*", "vit.embeddings.*"},
                     {"encoder.*", "vit.encoder.*"},
                     {"layernorm.*", "vit.layernorm.*"},
                     {"pooler.*", "vit.pooler.*"}},
          .waive = {"vit.pooler.*"}};
}

LoadedVit load_vit(const std::string& path) {
  fs::path folder = fs::is_directory(path) ? fs::path(path) : fs::path(path).parent_path();
  GRAFT_CHECK_AS(DataError, fs::exists(folder / "config.json"), printable(path),
                 ": no config.json beside it; a published ViT has one");
  Config file = Config::read((folder / "config.json").string());
  nn::VitConfig config = vit_config(file);
  auto checkpoint = weights::Checkpoint::open(path);
  require_layers(file, checkpoint);
  LoadedVit out;
  out.preprocess = preprocess_of({config.image, config.image, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, false, true});
  fs::path pictures = folder / "preprocessor_config.json";
  if (fs::exists(pictures))
    out.preprocess = preprocessor_config(Config::read(pictures.string()), out.preprocess);
  GRAFT_CHECK_AS(DataError, out.preprocess.crop == config.image, printable(pictures.string()),
                 ": makes pictures of ", out.preprocess.crop, " pixels a side, the network takes ",
                 config.image);
  out.labels = file.labels("id2label");
  const weights::Entry* head = checkpoint.find("classifier.weight");
  GRAFT_CHECK_AS(DataError, head && !head->sizes.empty() && head->sizes[0] >= 1, printable(path),
                 ": no classifier.weight; a network without classes is for graft tune --model hf_vit_b_16");
  nn::NoInit filled_by_the_file;
  out.model = std::make_unique<nn::Vit>(config, head->sizes[0]);
  out.report = weights::load(*out.model, checkpoint, vit_names(config.names));
  out.report.require_complete();
  out.model->eval();
  return out;
}

}  // namespace graft::transfer
