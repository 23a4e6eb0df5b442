// The published families from their own files, as the reference converts them.
#pragma once

#include "data/text/hints.h"
#include "data/text/pipeline.h"

namespace graft::data {

using PipelinePtr = std::shared_ptr<TokenizerPipeline>;

// BERT: vocab.txt, a token a line.
PipelinePtr open_bert(TokenizerFiles& files, const std::string& vocab, const Hints& hints,
                      std::optional<bool> lowercase);

// GPT-2, RoBERTa, CLIP: vocab.json and merges.txt, told apart by the hints or else by the vocabulary.
PipelinePtr open_byte_level(TokenizerFiles& files, const std::string& vocab, const std::string& merges,
                            const Hints& hints);

// T5: spiece.model, and the sentinels <extra_id_0>, ...
PipelinePtr open_t5(TokenizerFiles& files, const std::string& name, const Hints& hints);

// Any of them: tokenizer.json.
PipelinePtr open_tokenizer_json(TokenizerFiles& files, const std::string& name, const Hints& hints);

// Each run of white space becomes one space, as CLIP's normaliser has it.
void collapse_spaces(Text& text);

}  // namespace graft::data
