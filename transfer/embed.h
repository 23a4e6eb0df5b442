// Texts to vectors, by a text encoder as it is published.
#pragma once

#include <string>
#include <vector>

#include "data/text/tokenizer.h"
#include "transfer/result.h"
#include "transfer/text_encoder.h"

namespace graft::transfer {

struct EmbedOptions {
  int64_t batch = 32;
  // Tokens of a text that are read, with the special ones; 0: as many as the network has positions.
  int64_t max_length = 0;
  bool normalize = false;  // to length 1, for comparisons by dot product
};

struct Embeddings {
  Tensor vectors;         // f32 [texts, width]: the mean over each text's tokens
  int64_t truncated = 0;  // texts of which the end was cut off
};

// One vector a text. Texts are brought into batches by their length, so padding is little; the results are in
// the texts' order. Throws DataError where the vocabulary is not the network's.
Embeddings embed_texts(nn::Bert& network, const data::Tokenizer& tokenizer,
                       const std::vector<std::string>& texts, const EmbedOptions& options = {},
                       const OnProgress& on_progress = {});

}  // namespace graft::transfer
