#include "transfer/embed.h"

#include <algorithm>
#include <numeric>

namespace graft::transfer {
namespace {

// Positions that texts may use: RoBERTa's first ones belong to padding.
int64_t most_tokens(const nn::BertConfig& config) {
  return config.positions - (config.roberta ? config.padding + 1 : 0);
}

}  // namespace

Embeddings embed_texts(nn::Bert& network, const data::Tokenizer& tokenizer,
                       const std::vector<std::string>& texts, const EmbedOptions& options,
                       const OnProgress& on_progress) {
  const nn::BertConfig& config = network.config;
  GRAFT_CHECK_AS(UsageError, options.batch >= 1, "embed: batches of ", options.batch);
  GRAFT_CHECK_AS(UsageError, options.max_length >= 0 && options.max_length <= most_tokens(config),
                 "embed: texts of ", options.max_length, " tokens; the network has ", most_tokens(config),
                 " positions");
  tokenizer.require_rows(config.vocabulary, config.roberta ? "RoBERTa" : "BERT");
  data::EncodeOptions how;
  how.max_length = options.max_length > 0 ? options.max_length : most_tokens(config);
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
  out.vectors = Tensor::empty({count, config.width});
  for (int64_t begin = 0; begin < count; begin += options.batch) {
    int64_t end = std::min(count, begin + options.batch);
    std::vector<data::Encoding> rows;
    for (int64_t i = begin; i < end; ++i) rows.push_back(encoded[order[static_cast<size_t>(i)]]);
    data::PaddedBatch padded = tokenizer.pad(rows);
    nn::TextBatch batch{padded.ids, padded.type_ids, Tensor::from(padded.lengths, {end - begin})};
    Var hidden = network.encoder.forward(batch);                // [B, T, C]
    Var pooled = nn::Bert::mean_pooled(hidden, batch.lengths);  // [B, C]
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

}  // namespace graft::transfer
