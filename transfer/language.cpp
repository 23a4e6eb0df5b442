#include "transfer/language.h"

#include <charconv>
#include <filesystem>

#include "transfer/layer_count.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;
using nn::Nonlinearity;
using weights::Checkpoint;
using weights::Config;

constexpr int64_t kMostTokens = int64_t{1} << 24;

// A token's number under `key`; where the key is not there, the family's own if the vocabulary has it, or -1.
int64_t token(const Config& config, std::string_view key, int64_t otherwise, int64_t vocabulary) {
  if (otherwise >= vocabulary) otherwise = -1;
  return config.has(key) ? config.integer(key, 0, vocabulary - 1) : otherwise;
}

int64_t size_or(const Config& config, std::string_view key, int64_t otherwise) {
  return config.has(key) ? config.size(key) : otherwise;
}

// The entry's size along `axis`. Names are tried with and without "transformer.".
int64_t size_of(const Checkpoint& checkpoint, const std::string& name, size_t axis) {
  const weights::Entry* entry = checkpoint.find(name);
  if (!entry) entry = checkpoint.find("transformer." + name);
  GRAFT_CHECK_AS(DataError, entry && entry->sizes.size() == 2, printable(checkpoint.path()), ": no matrix ",
                 name, "; a network's sizes are read from it where there is no config.json");
  GRAFT_CHECK_AS(DataError, entry->sizes[axis] >= 1 && entry->sizes[axis] <= kMostTokens,
                 printable(checkpoint.path()), ": ", name, " has a size of ", entry->sizes[axis]);
  return entry->sizes[axis];
}

bool has(const Checkpoint& checkpoint, const std::string& name) {
  return checkpoint.find(name) || checkpoint.find("transformer." + name);
}

// How many of prefix0suffix, prefix1suffix, ... there are.
int64_t count(const Checkpoint& checkpoint, const std::string& prefix, const std::string& suffix) {
  int64_t n = 0;
  while (has(checkpoint, str(prefix, n, suffix))) ++n;
  return n;
}

// Whether one name is not there or holds what the other does.
bool same(const Checkpoint& checkpoint, const std::string& one, const std::string& other) {
  if (!checkpoint.find(one)) return true;
  std::string there = checkpoint.find(other) ? other : "transformer." + other;
  if (checkpoint.find(one)->sizes != checkpoint.find(there)->sizes ||
      checkpoint.find(one)->dtype != checkpoint.find(there)->dtype)
    return false;
  bool equal = true;
  {
    Tensor whole = checkpoint.read(there);
    checkpoint.read_pieces(one, 1 << 20, [&](int axis, int64_t begin, int64_t end, const Tensor& piece) {
      equal = equal && bit_equal(whole.slice(axis, begin, end), piece);
    });
  }
  release_cached_memory();  // a table as large as the network's own
  return equal;
}

template <class Model, class Config>
Language loaded(std::string family, const Config& config, const Checkpoint& checkpoint,
                const weights::NameMap& names) {
  Language language{std::move(family), std::make_unique<Model>(config), {}};
  language.report = weights::load(*language.model, checkpoint, names);
  language.report.require_complete();
  language.model->eval();
  return language;
}

}  // namespace

nn::Gpt2Config gpt2_config(const Config& config) {
  nn::Gpt2Config c;
  c.vocabulary = config.vocabulary("vocab_size");
  c.width = size_or(config, "n_embd", c.width);
  c.layers = config.integer_or("n_layer", c.layers, 1, 1024);
  c.heads = config.has("n_head") ? config.heads("n_head", c.width) : c.heads;
  c.positions = size_or(config, "n_positions", c.positions);
  c.inner = size_or(config, "n_inner", 0);
  c.eps = config.number_or("layer_norm_epsilon", c.eps, 0, 1);
  c.activation = config.nonlinearity("activation_function", "gelu_new");
  c.tied = config.flag_or("tie_word_embeddings", true);
  c.scale_attention = config.flag_or("scale_attn_weights", true);
  c.scale_by_layer = config.flag_or("scale_attn_by_inverse_layer_idx", false);
  c.end = token(config, "eos_token_id", c.end, c.vocabulary);
  c.dropout = config.number_or("resid_pdrop", c.dropout, 0, 0.999);
  if (config.flag_or("add_cross_attention", false))
    config.reject("add_cross_attention", "false: graft's GPT-2 reads no encoder");
  return c;
}

nn::T5Config t5_config(const Config& config) {
  nn::T5Config c;
  c.vocabulary = config.vocabulary("vocab_size");
  c.width = size_or(config, "d_model", c.width);
  c.head_size = size_or(config, "d_kv", c.head_size);
  c.inner = size_or(config, "d_ff", c.inner);
  c.layers = config.integer_or("num_layers", c.layers, 1, 1024);
  c.decoder_layers = config.integer_or("num_decoder_layers", c.layers, 1, 1024);
  c.heads = config.integer_or("num_heads", c.heads, 1, 65536);
  c.buckets = config.integer_or("relative_attention_num_buckets", c.buckets, 4, 65536);
  c.max_distance = config.integer_or("relative_attention_max_distance", c.max_distance, 1, kMostTokens);
  c.eps = config.number_or("layer_norm_epsilon", c.eps, 0, 1);
  c.dropout = config.number_or("dropout_rate", c.dropout, 0, 0.999);
  c.tied = config.flag_or("tie_word_embeddings", true);
  c.end = token(config, "eos_token_id", c.end, c.vocabulary);
  c.padding = config.integer_or("pad_token_id", c.padding, 0, c.vocabulary - 1);
  c.start = config.integer_or("decoder_start_token_id", c.padding, 0, c.vocabulary - 1);
  std::string kind = config.text_or("feed_forward_proj", "relu");
  // "gated-gelu" is the approximation with tanh, unlike "gelu": transformers keeps T5 1.1's old name so.
  if (kind == "relu") {
    c.activation = Nonlinearity::relu;
  } else if (kind == "gated-gelu") {
    c.activation = Nonlinearity::gelu_tanh;
    c.gated = true;
  } else if (kind == "gated-silu") {
    c.activation = Nonlinearity::silu;
    c.gated = true;
  } else {
    config.reject("feed_forward_proj", "relu (T5 1.0), gated-gelu (1.1) or gated-silu");
  }
  return c;
}

nn::Gpt2Config gpt2_config(const Checkpoint& checkpoint, int64_t heads) {
  nn::Gpt2Config c;
  c.vocabulary = size_of(checkpoint, "wte.weight", 0);
  c.width = size_of(checkpoint, "wte.weight", 1);
  c.positions = size_of(checkpoint, "wpe.weight", 0);
  c.layers = count(checkpoint, "h.", ".attn.c_attn.weight");
  if (c.layers > 0) c.inner = size_of(checkpoint, "h.0.mlp.c_fc.weight", 1);
  c.tied = same(checkpoint, "lm_head.weight", "wte.weight");
  if (c.end >= c.vocabulary) c.end = -1;
  auto stated = checkpoint.metadata().find("n_head");
  if (heads == 0 && stated != checkpoint.metadata().end()) {
    const std::string& text = stated->second;
    std::from_chars(text.data(), text.data() + text.size(), heads);
  }
  GRAFT_CHECK_AS(
      UsageError, heads > 0, printable(checkpoint.path()),
      ": how many heads attention has is in no tensor; say it (--heads; GPT-2 small has 12), or put the "
      "network's config.json beside the file");
  GRAFT_CHECK_AS(UsageError, c.width % heads == 0, "the width ", c.width, " of ",
                 printable(checkpoint.path()), " does not divide into ", heads, " heads");
  c.heads = heads;
  return c;
}

nn::T5Config t5_config(const Checkpoint& checkpoint) {
  nn::T5Config c;
  const std::string first = "encoder.block.0.layer.0.SelfAttention.";
  c.vocabulary = size_of(checkpoint, "shared.weight", 0);
  c.width = size_of(checkpoint, "shared.weight", 1);
  c.buckets = size_of(checkpoint, first + "relative_attention_bias.weight", 0);
  c.heads = size_of(checkpoint, first + "relative_attention_bias.weight", 1);
  c.head_size = size_of(checkpoint, first + "q.weight", 0) / c.heads;
  c.layers = count(checkpoint, "encoder.block.", ".layer.0.layer_norm.weight");
  c.decoder_layers = count(checkpoint, "decoder.block.", ".layer.0.layer_norm.weight");
  const std::string dense = "encoder.block.0.layer.1.DenseReluDense.";
  c.gated = has(checkpoint, dense + "wi_0.weight");
  c.activation = c.gated ? Nonlinearity::gelu_tanh : Nonlinearity::relu;
  c.inner = size_of(checkpoint, dense + (c.gated ? "wi_0.weight" : "wi.weight"), 0);
  c.tied = same(checkpoint, "lm_head.weight", "shared.weight");
  if (c.end >= c.vocabulary) c.end = -1;
  return c;
}

weights::NameMap gpt2_names() {
  weights::NameMap names;
  for (const char* name : {"wte.*", "wpe.*", "h.*", "ln_f.*"})
    names.rename.push_back({name, str("transformer.", name)});
  names.waive = {"*.attn.bias", "*.attn.masked_bias"};
  return names;
}

weights::NameMap t5_names() {
  weights::NameMap names;
  names.waive = {"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"};
  return names;
}

std::unique_ptr<nn::LanguageTask> make_language_task(const Config& config, std::optional<uint64_t> seed) {
  if (config.one_of("model_type", {"gpt2", "t5"}) == "gpt2")
    return std::make_unique<nn::Gpt2Task>(gpt2_config(config), seed);
  return std::make_unique<nn::T5Task>(t5_config(config), seed);
}

PublishedLanguage load_language_task(const std::string& path) {
  fs::path folder = fs::is_directory(path) ? fs::path(path) : fs::path(path).parent_path();
  Config config = Config::read((folder / "config.json").string());
  PublishedLanguage out;
  out.family = config.one_of("model_type", {"gpt2", "t5"});
  Checkpoint checkpoint = Checkpoint::open(path);
  require_layers(config, checkpoint);
  out.network = make_language_task(config);
  out.report = weights::load(*out.network, checkpoint, out.family == "gpt2" ? gpt2_names() : t5_names());
  out.report.require_complete();
  out.network->eval();
  return out;
}

namespace {

// What tune left: config and tokenizer are inside.
Language load_tuned(const Checkpoint& checkpoint) {
  const auto& metadata = checkpoint.metadata();
  auto samples = metadata.find("graft.samples"), files = metadata.find("graft.files");
  bool writes = samples != metadata.end() && samples->second == "tokens" && files != metadata.end();
  GRAFT_CHECK_AS(DataError, writes, printable(checkpoint.path()),
                 ": this model.graft is of a classifier, which writes no texts; see graft predict");
  FileContents contents = files_from_json(checkpoint.path() + ": metadata \"graft.files\"", files->second);
  Config config = Config::parse(checkpoint.path() + ", config.json", contents["config.json"]);
  std::string family = config.one_of("model_type", {"gpt2", "t5"});
  if (family == "gpt2") return loaded<nn::Gpt2>(family, gpt2_config(config), checkpoint, gpt2_names());
  return loaded<nn::T5>(family, t5_config(config), checkpoint, t5_names());
}

}  // namespace

Language load_language(const std::string& path, int64_t heads) {
  bool folder = fs::is_directory(path);
  fs::path beside = (folder ? fs::path(path) : fs::path(path).parent_path()) / "config.json";
  GRAFT_CHECK_AS(DataError, !folder || fs::exists(beside), printable(path),
                 ": no config.json; a folder of a published model has one");
  Checkpoint checkpoint = Checkpoint::open(path);
  if (checkpoint.metadata().contains("graft.model")) return load_tuned(checkpoint);
  if (fs::exists(beside)) {
    Config config = Config::read(beside.string());
    std::string family = config.one_of("model_type", {"gpt2", "t5"});
    require_layers(config, checkpoint);
    if (family == "gpt2") return loaded<nn::Gpt2>(family, gpt2_config(config), checkpoint, gpt2_names());
    return loaded<nn::T5>(family, t5_config(config), checkpoint, t5_names());
  }
  if (has(checkpoint, "wte.weight"))
    return loaded<nn::Gpt2>("gpt2", gpt2_config(checkpoint, heads), checkpoint, gpt2_names());
  if (has(checkpoint, "shared.weight"))
    return loaded<nn::T5>("t5", t5_config(checkpoint), checkpoint, t5_names());
  fail<DataError>(printable(path), ": neither GPT-2 (no wte.weight) nor T5 (no shared.weight)");
}

}  // namespace graft::transfer
