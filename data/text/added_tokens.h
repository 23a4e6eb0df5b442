// Tokens that are looked for in the text itself, before anything splits it: [MASK], <|endoftext|>,
// <extra_id_0>.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "data/text/text.h"
#include "data/text/trie.h"

namespace graft::data {

// The fields of the same names in tokenizer.json.
struct AddedToken {
  std::string content;
  int64_t id = 0;
  bool special = false;  // left out by decode() where special tokens are
  bool normalized =
      false;  // looked for, normalised, in the normalised text; else as it is, in the text as it is
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
};

class AddedTokens {
 public:
  AddedTokens() = default;
  AddedTokens(std::vector<AddedToken> tokens, const std::function<void(Text&)>& normalize);

  // Hands over the text in its order: each token found, and the normalised text between them. White space
  // that a token takes is part of its offsets, unless `trim`.
  void scan(Text text, bool trim, const std::function<void(Text&)>& normalize,
            const std::function<void(Token)>& token, const std::function<void(Text&&)>& between) const;

  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  // Those of one kind, for finding the leftmost and of these the longest.
  struct Finder {
    Trie trie;
    std::array<bool, 128> first_ascii{};
    bool first_other = false;
    explicit Finder(std::vector<Trie::Word> words = {});
    bool may_start(char32_t c) const { return c < 128 ? first_ascii[c] : first_other; }
  };
  struct Found {
    int32_t index = -1;  // -1: text
    size_t begin = 0, end = 0;
    size_t token_begin = 0, token_end = 0;  // without the white space that it takes
  };
  std::vector<Found> split(const Finder& finder, const Text& text) const;

  std::vector<AddedToken> tokens_;
  Finder raw_, normalized_;
};

}  // namespace graft::data
