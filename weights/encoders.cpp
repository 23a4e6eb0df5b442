#include "weights/encoders.h"

namespace graft::weights {

nn::BertConfig bert_config(const Config& config) {
  nn::BertConfig c;
  config.one_of("model_type", {"bert"});
  c.vocabulary = config.vocabulary("vocab_size");
  c.width = config.size("hidden_size");
  c.layers = config.layers("num_hidden_layers");
  c.heads = config.heads("num_attention_heads", c.width);
  c.inner = config.size("intermediate_size");
  c.positions = config.size("max_position_embeddings");
  c.types = config.size("type_vocab_size");
  c.padding = config.integer_or("pad_token_id", 0, 0, c.vocabulary - 1);
  c.eps = config.number_or("layer_norm_eps", c.eps, 0, 1);
  c.activation = config.nonlinearity("hidden_act", "gelu");
  c.dropout = config.number_or("hidden_dropout_prob", c.dropout, 0, 0.99);
  if (config.has("position_embedding_type")) config.one_of("position_embedding_type", {"absolute"});
  return c;
}

NameMap bert_names() {
  NameMap names;
  names.rename = {{"*.gamma", "*.weight"}, {"*.beta", "*.bias"}};
  names.waive = {"*.position_ids"};
  return names;
}

}  // namespace graft::weights
