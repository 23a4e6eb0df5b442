#include "transfer/text_encoder.h"

#include <filesystem>

#include "transfer/layer_count.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;
using nn::BertTask;
using weights::Config;

BertTask task_of(const Config& config) {
  std::vector<std::string> names = config.texts("architectures");
  if (names.empty()) return BertTask::features;
  const std::string& name = names.front();
  if (name.ends_with("ForSequenceClassification")) return BertTask::classes;
  if (name.ends_with("ForQuestionAnswering")) return BertTask::questions;
  if (name.ends_with("ForMaskedLM") || name.ends_with("ForPreTraining")) return BertTask::words;
  return BertTask::features;
}

}  // namespace

nn::BertConfig bert_config(const Config& config) {
  nn::BertConfig c;
  c.roberta = config.one_of("model_type", {"bert", "roberta"}) == "roberta";
  if (c.roberta) c = nn::kRobertaBase;
  auto size_or = [&](const char* key, int64_t otherwise) {
    return config.has(key) ? config.size(key) : otherwise;
  };
  c.vocabulary = config.has("vocab_size") ? config.vocabulary("vocab_size") : c.vocabulary;
  c.width = size_or("hidden_size", c.width);
  c.layers = config.integer_or("num_hidden_layers", c.layers, 1, 1024);
  c.heads = config.has("num_attention_heads") ? config.heads("num_attention_heads", c.width) : c.heads;
  c.inner = size_or("intermediate_size", c.inner);
  c.positions = size_or("max_position_embeddings", c.positions);
  c.types = size_or("type_vocab_size", c.types);
  // transformers' default for both families; RoBERTa's files state their own.
  c.eps = config.number_or("layer_norm_eps", 1e-12, 0, 1);
  c.activation = config.nonlinearity("hidden_act", "gelu");
  c.dropout = config.number_or("hidden_dropout_prob", c.dropout, 0, 0.999);
  c.padding = config.integer_or("pad_token_id", c.padding, 0, c.vocabulary - 1);
  if (config.text_or("position_embedding_type", "absolute") != "absolute")
    config.reject("position_embedding_type", "absolute: graft's BERT has no other positions");
  for (const char* key : {"is_decoder", "add_cross_attention"})
    if (config.flag_or(key, false)) config.reject(key, "false: graft's BERT reads whole texts");
  return c;
}

weights::NameMap bert_names(const nn::BertConfig& config, BertTask task) {
  weights::NameMap names;
  std::string own = config.roberta ? "roberta." : "bert.";
  for (std::string part : {"embeddings.", "encoder.", "pooler."}) {
    names.rename.push_back({part + "*.gamma", own + part + "*.weight"});
    names.rename.push_back({part + "*.beta", own + part + "*.bias"});
    names.rename.push_back({part + "*", own + part + "*"});
  }
  names.rename.push_back({"*.gamma", "*.weight"});
  names.rename.push_back({"*.beta", "*.bias"});
  names.waive = {"*position_ids", "cls.seq_relationship.*"};
  bool pools = !config.roberta && (task == BertTask::classes || task == BertTask::features);
  if (!pools || task == BertTask::features) names.waive.push_back(own + "pooler.*");
  if (task == BertTask::features) {
    for (const char* head : {"cls.*", "classifier.*", "qa_outputs.*", "lm_head.*"})
      names.waive.push_back(head);
  }
  return names;
}

TextEncoder load_text_encoder(const std::string& path) {
  bool folder = fs::is_directory(path);
  fs::path beside = (folder ? fs::path(path) : fs::path(path).parent_path()) / "config.json";
  GRAFT_CHECK_AS(DataError, fs::exists(beside), printable(path),
                 ": no config.json beside it; a published BERT has one");
  Config file = Config::read(beside.string());
  nn::BertConfig config = bert_config(file);
  BertTask task = task_of(file);
  auto checkpoint = weights::Checkpoint::open(path);
  require_layers(file, checkpoint);
  TextEncoder out;
  out.labels = file.labels("id2label");
  int64_t classes = out.labels.empty() ? 2 : static_cast<int64_t>(out.labels.size());
  out.model = std::make_unique<nn::Bert>(config, task, classes);
  out.report = weights::load(*out.model, checkpoint, bert_names(config, task));
  out.report.require_complete();
  out.model->eval();
  return out;
}

}  // namespace graft::transfer
