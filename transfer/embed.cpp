#include "transfer/embed.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace graft::transfer {
namespace {

// Positions that texts may use: RoBERTa's first ones belong to padding.
int64_t most_tokens(const nn::BertConfig& config) {
  return config.positions - (config.roberta ? config.padding + 1 : 0);
}

// What a family's network says of itself.
struct TextNetwork {
  std::string name;
  int64_t vocabulary, positions, width;
  std::function<Var(const nn::TextBatch&)> vectors;  // [B, width]
};

Embeddings embed(const TextNetwork& network, const data::Tokenizer& tokenizer,
                 const std::vector<std::string>& texts, const EmbedOptions& options,
                 const OnProgress& on_progress) {
  GRAFT_CHECK_AS(UsageError, options.batch >= 1, "embed: batches of ", options.batch);
  GRAFT_CHECK_AS(UsageError, options.max_length >= 0 && options.max_length <= network.positions,
                 "embed: texts of ", options.max_length, " tokens; the network has ", network.positions,
                 " positions");
  tokenizer.require_rows(network.vocabulary, network.name);
  data::EncodeOptions how;
  how.max_length = options.max_length > 0 ? options.max_length : network.positions;
  Embeddings out;
  std::vector<data::Encoding> encoded;
  for (const std::string& text : texts) {
    encoded.push_back(tokenizer.encode(text, how));
    out.truncated += encoded.back().truncated;
  }
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return encoded[a].ids.size() < encoded[b].ids.size(); });

  NoGrad no_grad;
  auto count = static_cast<int64_t>(texts.size());
  out.vectors = Tensor::empty({count, network.width});
  for (int64_t begin = 0; begin < count; begin += options.batch) {
    int64_t end = std::min(count, begin + options.batch);
    std::vector<data::Encoding> rows;
    for (int64_t i = begin; i < end; ++i) rows.push_back(encoded[order[static_cast<size_t>(i)]]);
    data::PaddedBatch padded = tokenizer.pad(rows);
    Var pooled = network.vectors(
        {padded.ids, padded.type_ids, Tensor::from(padded.lengths, {end - begin})});  // [B, C]
    if (options.normalize) pooled = normalize_rows(pooled);
    Tensor vectors = pooled.value().to(kCpu).to(DType::f32).contiguous();
    for (int64_t i = begin; i < end; ++i) {
      auto at = static_cast<int64_t>(order[static_cast<size_t>(i)]);
      out.vectors.slice(0, at, at + 1).copy_from(vectors.slice(0, i - begin, i - begin + 1));
    }
    if (on_progress) on_progress({.phase = "embed", .done = end, .total = count});
  }
  return out;
}

}  // namespace

Embeddings embed_texts(nn::Bert& network, const data::Tokenizer& tokenizer,
                       const std::vector<std::string>& texts, const EmbedOptions& options,
                       const OnProgress& on_progress) {
  const nn::BertConfig& config = network.config;
  TextNetwork bert{config.roberta ? "RoBERTa" : "BERT", config.vocabulary, most_tokens(config), config.width,
                   [&](const nn::TextBatch& batch) {
                     return nn::Bert::mean_pooled(network.encoder.forward(batch), batch.lengths);
                   }};
  return embed(bert, tokenizer, texts, options, on_progress);
}

Embeddings embed_texts(nn::Clip& network, const data::Tokenizer& tokenizer,
                       const std::vector<std::string>& texts, const EmbedOptions& options,
                       const OnProgress& on_progress) {
  const nn::ClipTextConfig& config = network.config.text;
  TextNetwork clip{"CLIP", config.vocabulary, config.positions, network.config.projection,
                   [&](const nn::TextBatch& batch) {
                     return network.text_features({batch.ids, batch.lengths});
                   }};
  return embed(clip, tokenizer, texts, options, on_progress);
}

}  // namespace graft::transfer
