// Text to token ids and back, as the published tokenizers of BERT, RoBERTa, GPT-2, CLIP and T5 do it.
//
// Text is UTF-8. What is not valid UTF-8 (stray bytes, overlong forms, surrogates) is read as U+FFFD, one for
// each maximal ill-formed part, as Python's bytes.decode("utf-8", "replace") does it; nothing in a text is an
// error.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace graft::data {

// All vectors are of one length: the number of tokens.
struct Encoding {
  std::vector<int64_t> ids;
  std::vector<int64_t>
      type_ids;  // which segment embedding: 0, or 1 where the family tells a pair's texts apart
  // [begin, end) of each token in its text, in characters (code points; an ill-formed part counts as the one
  // U+FFFD that it becomes); {0, 0} for a token that stands in neither text. character_starts() leads to
  // bytes.
  std::vector<std::pair<int64_t, int64_t>> offsets;
  std::vector<int8_t>
      sequence;  // 0: of the first text, 1: of the second, -1: put there by the family's template
  std::vector<bool> special;  // put there by the template: [CLS], </s>, ...
  bool truncated = false;     // something was cut off to keep max_length
  bool operator==(const Encoding&) const = default;
};

// What is cut where a text or a pair is too long, always at the end.
enum class Truncation {
  longest_first,  // the longer of the two; both to half where both are longer than that
  only_first,
  only_second,
};

struct EncodeOptions {
  bool add_special = true;  // the tokens of the family's template: [CLS] A [SEP], A </s>, ...
  int64_t max_length = 0;   // of the whole, special tokens included; 0: no limit
  Truncation truncation = Truncation::longest_first;
  int64_t stride = 0;  // windows(): tokens that a window shares with the one before it
};

// The ids of the tokens with a role; -1 where the vocabulary has none.
struct SpecialTokens {
  int64_t pad = -1, unk = -1, cls = -1, sep = -1, mask = -1, bos = -1, eos = -1;
};

struct PadOptions {
  int64_t length = 0;  // at least this many columns; 0: as many as the longest row
  bool left = false;   // pads before the row: for generation, where the last column is what counts
};

// A batch as a model takes it.
struct PaddedBatch {
  Tensor ids;       // i64 [B, T]
  Tensor type_ids;  // i64 [B, T]
  Tensor mask;      // i64 [B, T]: 1 for a token, 0 for padding
  std::vector<int64_t> lengths;
};

struct TokenizerPipeline;

// Immutable and cheap to copy; may be used by several threads at once.
class Tokenizer {
 public:
  explicit Tokenizer(std::shared_ptr<const TokenizerPipeline> pipeline);

  // Time and memory are linear in the text. Throws UsageError where max_length leaves no room for the special
  // tokens, where only_second is asked for without a second text, and where the text to be cut is too short.
  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
  Encoding encode(std::string_view text, std::string_view pair, const EncodeOptions& options = {}) const;

  // A long text as several encodings of at most max_length tokens, each overlapping the one before by
  // `stride` tokens; of a pair, the text that options.truncation names is cut, and the other stands in each
  // window. Throws UsageError as encode() does, for longest_first with a pair, and where the stride leaves no
  // step.
  std::vector<Encoding> windows(std::string_view text, const EncodeOptions& options) const;
  std::vector<Encoding> windows(std::string_view text, std::string_view pair,
                                const EncodeOptions& options) const;

  // The text of these ids as the family's own decoder writes it, in valid UTF-8. Throws UsageError for an id
  // outside of the vocabulary.
  std::string decode(std::span<const int64_t> ids, bool skip_special = true) const;

  // Rows of one length, filled up with the pad token (where there is none, with eos; the mask says what
  // counts).
  PaddedBatch pad(std::span<const Encoding> batch, const PadOptions& options = {}) const;

  int64_t vocab_size() const;  // ids are 0 .. vocab_size() - 1
  std::optional<int64_t> id_of(std::string_view token) const;
  const std::string& token_of(int64_t id) const;  // as in the vocabulary: "##ing", "Ġthe", "▁to"
  bool is_special(int64_t id) const;  // has a role in the family: [SEP], <|endoftext|>, <extra_id_3>
  const SpecialTokens& special() const;

  int64_t model_max_length() const;           // what tokenizer_config.json says; 0 where it says nothing
  const std::string& kind() const;            // "WordPiece", "byte-level BPE", "CLIP BPE", "Unigram"
  const std::string& content_sha256() const;  // names the vocabulary and rules: over the files that were read

  // Throws DataError, naming both, unless every id has a row in an embedding of `rows` rows.
  void require_rows(int64_t rows, std::string_view model) const;

 private:
  std::shared_ptr<const TokenizerPipeline> pipeline_;
};

struct OpenTokenizerOptions {
  // BERT: whether text is lower-cased; unset, what tokenizer_config.json says, or, where there is none,
  // whether the vocabulary is without upper-case letters.
  std::optional<bool> lowercase;
};

// Opens what is published with a model: `path` is a folder or one of these files. In a folder, looked for in
// this order: tokenizer.json; vocab.txt (BERT); vocab.json and merges.txt, or encoder.json and vocab.bpe
// (GPT-2, RoBERTa, CLIP, told apart by tokenizer_config.json, config.json, and then by their special tokens);
// spiece.model (T5). Throws DataError that names the file, the place and the rule for anything damaged or
// unsupported.
Tokenizer open_tokenizer(const std::string& path, const OpenTokenizerOptions& options = {});

// The same of files in memory, by name; `where` is for messages.
Tokenizer open_tokenizer_files(const std::string& where, const std::map<std::string, std::string>& files);
// The contents, by name, of what open_tokenizer reads of a path: with them the tokenizer can go elsewhere.
std::map<std::string, std::string> tokenizer_files(const std::string& path);

// The byte at which each character of `text` starts, and after them the text's length: what leads from
// Encoding::offsets to bytes.
std::vector<int64_t> character_starts(std::string_view text);

}  // namespace graft::data
