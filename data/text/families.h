// The published families from their own files, as the reference converts them.
#pragma once

#include "data/text/hints.h"
#include "data/text/pipeline.h"

namespace graft::data {

using PipelinePtr = std::shared_ptr<TokenizerPipeline>;

// BERT: vocab.txt, a token a line.
PipelinePtr open_bert(TokenizerFiles& files, const std::string& vocab, const Hints& hints,
                      std::optional<bool> lowercase);

}  // namespace graft::data
