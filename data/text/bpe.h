// Byte pair encoding: of all neighbours in a word, the pair that was learned first is merged, again and
// again. Source: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units",
// ACL 2016.
#pragma once

#include "data/text/pipeline.h"

namespace graft::data {

struct BpeOptions {
  std::string end_of_word;             // goes after a word's last character: CLIP's </w>
  std::optional<std::string> unknown;  // for a byte that is no token; unset: such bytes are dropped
  bool ignore_merges = false;          // a word that is a token is not taken apart
};

using Merges = std::vector<std::pair<std::string, std::string>>;

// Over words whose bytes are tokens as char_of_byte() writes them. Throws DataError, beginning with `where`,
// for a merge whose sides or result are no tokens, for one that stands there twice, and for an unknown token
// that is none.
std::unique_ptr<WordModel> make_bpe(const Vocabulary& vocabulary, const Merges& merges,
                                    const BpeOptions& options, const std::string& where);

// The lines of merges.txt, "left right" in the order of learning; a first line that begins with #version is
// passed over. Throws DataError that names the line.
Merges read_merges(const std::string& text, const std::string& path);

}  // namespace graft::data
