// What a tokenizer is made of. Every family is a choice of these parts, whichever files it comes from.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/text/added_tokens.h"
#include "data/text/tokenizer.h"
#include "data/text/vocabulary.h"

namespace graft::data {

// A text cut into words. A splitter cuts each word further and may change the text.
struct Words {
  Text text;
  std::vector<Range> words;
};

using Normalizer = std::function<void(Text&)>;
using Splitter = std::function<void(Words&)>;
// Tokens, as in the vocabulary, to text.
using Decoder = std::function<std::string(const std::vector<std::string_view>&)>;

// Turns one word into tokens.
class WordModel {
 public:
  virtual ~WordModel() = default;
  virtual void encode(std::span<const Char> word, std::vector<Token>& out) const = 0;
};

// A part of the template: a special token, or one of the texts.
struct TemplatePart {
  enum class What { token, first, second } what = What::token;
  int64_t id = 0;
  int64_t type = 0;
};
using Template = std::vector<TemplatePart>;

// Byte-level families may leave the space that belongs to a token out of its offsets.
struct TrimOffsets {
  bool on = false;
  bool prefix_space = false;  // a space that was put before the text is no part of it
};

struct TokenizerPipeline {
  std::string kind;
  Vocabulary vocabulary;
  Normalizer normalize;  // of a text between added tokens
  AddedTokens added;
  std::vector<Splitter> split;
  std::unique_ptr<WordModel> model;
  Template single, pair;
  TrimOffsets trim;
  Decoder decode;
  SpecialTokens special;
  std::vector<bool> is_special;  // by id
  int64_t model_max_length = 0;
  std::string content_sha256;

  // After the parts are in place: looks the added tokens up, finds the special tokens' ids, checks the
  // templates.
  void finish(std::vector<AddedToken> tokens);
};

}  // namespace graft::data
