// Texts and pictures to vectors, by a network as it is published.
#pragma once

#include <string>
#include <vector>

#include "data/text/tokenizer.h"
#include "data/transform.h"
#include "nn/models/clip.h"
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
  Tensor vectors;         // f32 [texts or pictures, width]
  int64_t truncated = 0;  // texts of which the end was cut off
};

// One vector a text: BERT's and RoBERTa's are the mean over its tokens, CLIP's is that of its end token,
// projected. Texts are brought into batches by their length, so padding is little; the results are in the
// texts' order. Throws DataError where the vocabulary is not the network's.
Embeddings embed_texts(nn::Bert& network, const data::Tokenizer& tokenizer,
                       const std::vector<std::string>& texts, const EmbedOptions& options = {},
                       const OnProgress& on_progress = {});
Embeddings embed_texts(nn::Clip& network, const data::Tokenizer& tokenizer,
                       const std::vector<std::string>& texts, const EmbedOptions& options = {},
                       const OnProgress& on_progress = {});

// What makes vectors of pictures: a trunk with its pooled features; of a CLIP the picture's network,
// projected.
struct PictureEncoder {
  std::unique_ptr<nn::Headed> network;  // in evaluation mode; its head plays no part
  data::Preprocess preprocess;
  std::string model;
};
// `weights` is a folder of Hugging Face's (CLIP, ViT), a file with OpenAI's names, a model.graft, or, with
// `model`, published weights of that network, for pictures of `channels` as in tune.h, where they are given.
// Throws UsageError, DataError.
PictureEncoder open_picture_encoder(const std::string& weights, const std::string& model = {},
                                    std::optional<int64_t> channels = {});

// One vector a picture file, in their order. Throws DataError for the first that cannot be read.
Embeddings embed_pictures(const PictureEncoder& encoder, const std::vector<std::string>& files,
                          const EmbedOptions& options = {}, const OnProgress& on_progress = {});

}  // namespace graft::transfer
