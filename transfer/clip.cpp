#include "transfer/clip.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "transfer/layer_count.h"
#include "transfer/preprocessor.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;
using weights::Checkpoint;
using weights::Config;

// The section, or an empty one. Files of 2021 call it text_config_dict where they lack text_config.
Config section_of(const Config& config, const std::string& name) {
  for (const std::string& key : {name, name + "_dict"}) {
    if (config.has(key)) return config.section(key);
  }
  return Config::parse(config.name(), "{}");
}

void read_tower(const Config& config, nn::ClipTowerConfig& tower) {
  if (config.has("hidden_size")) tower.width = config.size("hidden_size");
  if (config.has("intermediate_size")) tower.inner = config.size("intermediate_size");
  tower.layers = config.integer_or("num_hidden_layers", tower.layers, 1, 1024);
  if (config.has("num_attention_heads")) tower.heads = config.heads("num_attention_heads", tower.width);
  if (tower.width % tower.heads != 0)
    config.reject("hidden_size", "a multiple of ", tower.heads, ", the number of attention heads");
  tower.eps = config.number_or("layer_norm_eps", 1e-5, 0, 1);
  tower.activation = config.nonlinearity("hidden_act", "quick_gelu");
}

// The size of a tensor's axis.
int64_t size_of(const Checkpoint& checkpoint, const std::string& name, size_t rank, size_t axis) {
  const weights::Entry* entry = checkpoint.find(name);
  GRAFT_CHECK_AS(DataError, entry && entry->sizes.size() == rank && entry->sizes[axis] >= 1,
                 printable(checkpoint.path()), ": no tensor ", name, " with ", rank,
                 " axes; a CLIP's sizes are read from it where there is no config.json");
  return entry->sizes[axis];
}

int64_t blocks_of(const Checkpoint& checkpoint, const std::string& tower) {
  int64_t count = 0;
  while (checkpoint.find(str(tower, "resblocks.", count, ".ln_1.weight"))) ++count;
  return count;
}

std::string block_of(const std::string& tower, int64_t i) {
  return str(tower, "resblocks.", i, ".");
}

nn::ClipTowerConfig tower_of(const Checkpoint& checkpoint, const std::string& tower, int64_t width) {
  nn::ClipTowerConfig c{width, blocks_of(checkpoint, tower), std::max<int64_t>(width / 64, 1), 0};
  c.inner = size_of(checkpoint, block_of(tower, 0) + "mlp.c_fc.weight", 2, 0);
  return c;
}

// A tower's blocks. `own` and `published` are the two names of what stands before "resblocks.0." and "0.".
void add_blocks(const Checkpoint& file, const std::string& own, const std::string& published,
                std::vector<weights::Piece>& pieces) {
  for (int64_t i = 0; i < blocks_of(file, own); ++i) {
    std::string from = block_of(own, i), to = str(published, i, ".");
    for (std::string kind : {"weight", "bias"}) {
      std::string whole = from + "attn.in_proj_" + kind;
      int64_t width = size_of(file, whole, kind == "bias" ? 1 : 2, 0) / 3;
      int64_t at = 0;
      for (const char* part : {"q_proj.", "k_proj.", "v_proj."})
        pieces.push_back({to + "self_attn." + part + kind, whole, width * at++, width});
      for (auto [theirs, ours] : {std::pair{"attn.out_proj.", "self_attn.out_proj."},
                                  {"ln_1.", "layer_norm1."},
                                  {"mlp.c_fc.", "mlp.fc1."},
                                  {"mlp.c_proj.", "mlp.fc2."},
                                  {"ln_2.", "layer_norm2."}})
        pieces.push_back({to + ours + kind, from + theirs + kind});
    }
  }
}

std::string folder_of(const std::string& path) {
  if (fs::is_directory(path)) return path;
  std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// OpenCLIP's networks have GELU by its definition unless their own configuration says otherwise.
nn::Nonlinearity activation_beside(const std::string& folder) {
  std::string beside = (fs::path(folder) / "open_clip_config.json").string();
  if (!fs::exists(beside)) return nn::Nonlinearity::quick_gelu;
  Config config = Config::read(beside);
  bool quick = config.has("model_cfg") && config.section("model_cfg").flag_or("quick_gelu", false);
  return quick ? nn::Nonlinearity::quick_gelu : nn::Nonlinearity::gelu;
}

}  // namespace

nn::ClipConfig clip_config(const Config& config) {
  config.one_of("model_type", {"clip"});
  nn::ClipConfig c;
  Config text = section_of(config, "text_config"), vision = section_of(config, "vision_config");
  read_tower(text, c.text.tower);
  if (text.has("vocab_size")) c.text.vocabulary = text.vocabulary("vocab_size");
  if (text.has("max_position_embeddings")) c.text.positions = text.size("max_position_embeddings");
  c.text.end = text.integer_or("eos_token_id", 49407, 0, int64_t{1} << 24);
  read_tower(vision, c.vision.tower);
  if (vision.has("image_size")) c.vision.image = vision.size("image_size");
  if (vision.has("patch_size")) c.vision.patch = vision.size("patch_size");
  if (c.vision.patch > c.vision.image)
    vision.reject("patch_size", "at most ", c.vision.image, ", the pixels of a picture's side");
  if (vision.integer_or("num_channels", 3, 1, 1024) != 3)
    vision.reject("num_channels", "3: graft's pictures are red, green and blue");
  if (config.has("projection_dim")) c.projection = config.size("projection_dim");
  return c;
}

bool has_openai_names(const Checkpoint& checkpoint) {
  return checkpoint.find("visual.conv1.weight") || checkpoint.find("transformer.resblocks.0.ln_1.weight");
}

nn::ClipConfig clip_config_of(const Checkpoint& file) {
  GRAFT_CHECK_AS(DataError, !file.find("visual.layer1.0.conv1.weight"), printable(file.path()),
                 ": a CLIP with a ResNet for pictures (RN50 and its like), which graft does not compute; "
                 "take a ViT");
  nn::ClipConfig c;
  int64_t width = size_of(file, "visual.conv1.weight", 4, 0);
  c.vision.patch = size_of(file, "visual.conv1.weight", 4, 2);
  int64_t places = size_of(file, "visual.positional_embedding", 2, 0) - 1;
  auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(places))));
  GRAFT_CHECK_AS(DataError, side >= 1 && side * side == places, printable(file.path()), ": ", places + 1,
                 " rows of visual.positional_embedding are not one and a square");
  c.vision.image = side * c.vision.patch;
  c.vision.tower = tower_of(file, "visual.transformer.", width);
  c.text.vocabulary = size_of(file, "token_embedding.weight", 2, 0);
  c.text.positions = size_of(file, "positional_embedding", 2, 0);
  c.text.tower = tower_of(file, "transformer.", size_of(file, "token_embedding.weight", 2, 1));
  c.projection = size_of(file, "text_projection", 2, 1);
  return c;
}

Checkpoint with_published_names(const Checkpoint& file) {
  std::vector<weights::Piece> pieces = {
      {"logit_scale", "logit_scale"},
      {"text_model.embeddings.token_embedding.weight", "token_embedding.weight"},
      {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
      {"text_model.final_layer_norm.weight", "ln_final.weight"},
      {"text_model.final_layer_norm.bias", "ln_final.bias"},
      {"vision_model.embeddings.class_embedding", "visual.class_embedding"},
      {"vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"},
      {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"},
      {"vision_model.pre_layrnorm.weight", "visual.ln_pre.weight"},
      {"vision_model.pre_layrnorm.bias", "visual.ln_pre.bias"},
      {"vision_model.post_layernorm.weight", "visual.ln_post.weight"},
      {"vision_model.post_layernorm.bias", "visual.ln_post.bias"},
      {.name = "visual_projection.weight", .source = "visual.proj", .transposed = true},
      {.name = "text_projection.weight", .source = "text_projection", .transposed = true}};
  add_blocks(file, "transformer.", "text_model.encoder.layers.", pieces);
  add_blocks(file, "visual.transformer.", "vision_model.encoder.layers.", pieces);
  // What is known by none of these names stays, to be reported, but for the sizes that the file repeats.
  for (const weights::Entry& entry : file.entries()) {
    bool taken = std::any_of(pieces.begin(), pieces.end(),
                             [&](const weights::Piece& piece) { return piece.source == entry.name; });
    bool size = entry.name == "input_resolution" || entry.name == "context_length" ||
                entry.name == "vocab_size" || entry.name == "attn_mask";
    if (!taken && !size) pieces.push_back({entry.name, entry.name});
  }
  return file.rearranged(pieces);
}

weights::NameMap clip_names() {
  return {.waive = {"*.position_ids"}};
}

LoadedClip load_clip(const std::string& path) {
  LoadedClip out;
  out.folder = folder_of(path);
  auto checkpoint = Checkpoint::open(path);
  fs::path beside = fs::path(out.folder) / "config.json";
  bool openai = has_openai_names(checkpoint);
  nn::ClipConfig config;
  if (openai) {
    config = clip_config_of(checkpoint);
    config.vision.tower.activation = config.text.tower.activation = activation_beside(out.folder);
    checkpoint = with_published_names(checkpoint);
  } else {
    GRAFT_CHECK_AS(DataError, fs::exists(beside), printable(path),
                   ": no config.json beside it; a published CLIP has one");
    Config file = Config::read(beside.string());
    config = clip_config(file);
    require_layers(file, checkpoint);
  }
  out.preprocess = preprocess_of(nn::kClipInput);
  out.preprocess.resize = out.preprocess.crop = config.vision.image;
  out.preprocess.floor_crop = !openai;
  fs::path pictures = fs::path(out.folder) / "preprocessor_config.json";
  if (fs::exists(pictures))
    out.preprocess = preprocessor_config(Config::read(pictures.string()), out.preprocess);
  GRAFT_CHECK_AS(DataError, out.preprocess.crop == config.vision.image, printable(pictures.string()),
                 ": makes pictures of ", out.preprocess.crop, " pixels a side, the network takes ",
                 config.vision.image);
  out.model = std::make_unique<nn::Clip>(config);
  out.report = weights::load(*out.model, checkpoint, clip_names());
  out.report.require_complete();
  out.model->eval();
  return out;
}

weights::LoadReport load_clip_classifier(nn::ClipClassifier& network, const Checkpoint& checkpoint) {
  weights::NameMap names = clip_names();
  for (const char* other : {"text_model.*", "text_projection.weight", "logit_scale", "classifier.*"})
    names.waive.emplace_back(other);
  weights::LoadReport report = weights::load(
      network, has_openai_names(checkpoint) ? with_published_names(checkpoint) : checkpoint, names);
  report.require_complete();
  return report;
}

}  // namespace graft::transfer
