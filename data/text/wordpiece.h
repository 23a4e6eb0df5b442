// WordPiece: the longest piece that begins the word, then the longest that goes on, ...
// Source: Schuster and Nakajima, "Japanese and Korean voice search", 2012; BERT's tokenization.py.
#pragma once

#include "data/text/pipeline.h"

namespace graft::data {

struct WordPieceOptions {
  std::string unknown = "[UNK]";
  std::string prefix = "##";  // of a piece that goes on
  int64_t max_word = 100;     // characters; a longer word is unknown
};

// Throws DataError, beginning with `where`, where the vocabulary lacks the unknown token.
std::unique_ptr<WordModel> make_wordpiece(const Vocabulary& vocabulary, const WordPieceOptions& options,
                                          const std::string& where);

// Joins pieces; with `cleanup`, English punctuation and contractions lose the space before them.
Decoder wordpiece_decoder(const std::string& prefix, bool cleanup);

struct BertNormalizerOptions {
  bool clean_text = true;        // drops control characters, makes all white space a space
  bool space_ideographs = true;  // each a word of its own
  bool strip_accents = true;
  bool lowercase = true;
};
Normalizer bert_normalizer(const BertNormalizerOptions& options);

// Words between white space; each punctuation character by itself.
Splitter bert_splitter();

}  // namespace graft::data
