// The unigram model: of all ways to cut a text into pieces, the most likely one.
// Source: Kudo, "Subword regularization", ACL 2018; SentencePiece's choice among equals is reproduced.
#pragma once

#include "data/text/charsmap.h"
#include "data/text/pipeline.h"

namespace graft::data {

struct UnigramPiece {
  std::string text;
  double score = 0;           // log probability
  bool found_in_text = true;  // false for </s>, <unk>, <0x0A>
  bool user_defined = false;  // always wins where it stands
};

struct UnigramOptions {
  int64_t unknown = -1;
  double lowest = 0;  // the least score of an ordinary piece; an unknown character costs 10 more
  double highest = 0;
  bool sums_in_float = false;  // as SentencePiece adds; else in double, as the tokenizers package does
  bool byte_fallback = false;  // an unknown character becomes its bytes, the tokens <0x00> to <0xFF>
};

// The ids are the pieces' places. Throws DataError, beginning with `where`, for a score that is not finite,
// an empty piece, an unknown token outside of the pieces, and missing byte tokens.
std::unique_ptr<WordModel> make_unigram(const std::vector<UnigramPiece>& pieces,
                                        const UnigramOptions& options, const std::string& where);

// The byte that a token like <0x0A> stands for, or -1.
int byte_token(std::string_view token);

constexpr char32_t kMetaspace = 0x2581;  // stands for a space

// SentencePiece's own normaliser over a whole text.
struct SentencePieceRules {
  std::shared_ptr<const Charsmap> charsmap;  // may be none
  std::vector<std::u32string> user_defined;  // taken as they are
  bool dummy_prefix = true;                  // a space before the text
  bool collapse_spaces = true;               // and none at the ends
};
Normalizer sentencepiece_normalizer(SentencePieceRules rules);

// The tokenizers package's reading of the same charsmap: by grapheme cluster, and then by character.
Normalizer precompiled_normalizer(std::shared_ptr<const Charsmap> charsmap);

// Spaces become U+2581, one is put before each word, and each begins a new word.
enum class Prefix { always, first, never };
Splitter metaspace_splitter(char32_t replacement, Prefix prefix);
Decoder metaspace_decoder(char32_t replacement, bool prefix);

}  // namespace graft::data
