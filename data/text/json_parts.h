// The parts of tokenizer.json, the form of the Python package tokenizers. What the published BERT, RoBERTa,
// GPT-2, CLIP and T5 use is read; anything else is refused by its name.
#pragma once

#include "data/text/bpe.h"
#include "data/text/files.h"
#include "data/text/pipeline.h"

namespace graft::data {

// Each takes a field of the file, or null, and `where` for its messages; throws DataError.
Normalizer normalizer_from(const Json& json, const std::string& where);

struct SplitterParts {
  std::vector<Splitter> split;
  bool byte_level = false;  // words come as their bytes
};
SplitterParts splitters_from(const Json& json, const std::string& where);

struct ProcessorParts {
  Template single, pair;
  TrimOffsets trim;
};
ProcessorParts processor_from(const Json& json, const Vocabulary& vocabulary, const std::string& where);

Decoder decoder_from(const Json& json, const std::string& end_of_word, const std::string& where);

[[noreturn]] void unsupported(const std::string& where, const std::string& what);

}  // namespace graft::data
