// tokenizer.json: one file with the whole pipeline.
#include <algorithm>
#include <map>

#include "data/text/families.h"
#include "data/text/json_parts.h"
#include "data/text/unigram.h"
#include "data/text/wordpiece.h"

namespace graft::data {

namespace {

struct JsonFile {
  Json json;
  std::string path;
  const Json& part(const char* name) const {
    static const Json none;
    auto found = json.find(name);
    return found == json.end() ? none : *found;
  }
};

std::vector<AddedToken> read_added(const JsonFile& file) {
  std::vector<AddedToken> out;
  const Json& list = file.part("added_tokens");
  if (list.is_null()) return out;
  const std::string where = file.path + ", added_tokens";
  GRAFT_CHECK_AS(DataError, list.is_array(), where, ": not a list");
  for (const Json& json : list) {
    AddedToken t;
    t.content = string_in(json, "content", where);
    t.id = integer_in(json, "id", where);
    t.special = bool_in(json, "special", where, false);
    t.normalized = bool_in(json, "normalized", where, !t.special);
    t.single_word = bool_in(json, "single_word", where, false);
    t.lstrip = bool_in(json, "lstrip", where, false);
    t.rstrip = bool_in(json, "rstrip", where, false);
    GRAFT_CHECK_AS(DataError, !t.content.empty(), where, ": the token with the id ", t.id, " is empty");
    out.push_back(std::move(t));
  }
  return out;
}

// The model's vocabulary and the tokens that were added to it.
Vocabulary all_tokens(std::vector<std::pair<std::string, int64_t>> tokens,
                      const std::vector<AddedToken>& added, const JsonFile& file) {
  std::map<std::string_view, int64_t> ids;
  for (const auto& [token, id] : tokens) ids.emplace(token, id);
  std::vector<std::pair<std::string, int64_t>> more;
  for (const AddedToken& t : added) {
    auto found = ids.find(t.content);
    if (found == ids.end()) {
      more.emplace_back(t.content, t.id);
      continue;
    }
    GRAFT_CHECK_AS(DataError, found->second == t.id, file.path, ": the added token \"", printable(t.content),
                   "\" has the id ", t.id, ", but ", found->second, " in the vocabulary");
  }
  tokens.insert(tokens.end(), more.begin(), more.end());
  return Vocabulary(std::move(tokens), file.path);
}

void read_wordpiece(const JsonFile& file, const Json& model, const std::vector<AddedToken>& added,
                    TokenizerPipeline& p) {
  const std::string where = file.path + ", WordPiece";
  p.kind = "WordPiece";
  p.vocabulary = all_tokens(tokens_of_json(member(model, "vocab", where), where + ", vocab"), added, file);
  WordPieceOptions o;
  o.unknown = string_in(model, "unk_token", where, "[UNK]");
  o.prefix = string_in(model, "continuing_subword_prefix", where, "##");
  o.max_word = integer_in(model, "max_input_chars_per_word", where, 100);
  GRAFT_CHECK_AS(DataError, o.max_word >= 1, where, ": max_input_chars_per_word is ", o.max_word);
  p.model = make_wordpiece(p.vocabulary, o, where);
  p.special.unk = *p.vocabulary.id_of(o.unknown);
}

Merges merges_from(const Json& list, const std::string& where) {
  GRAFT_CHECK_AS(DataError, list.is_array(), where, ": \"merges\" is not a list");
  Merges out;
  out.reserve(list.size());
  for (const Json& merge : list) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      out.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t space = text.find(' ');
    const bool two = space != std::string::npos && space > 0 && space + 1 < text.size() &&
                     text.find(' ', space + 1) == std::string::npos;
    GRAFT_CHECK_AS(DataError, two, where, ": merge ", out.size() + 1, ", ", printable(merge.dump()),
                   ", is not two tokens");
    out.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return out;
}

void read_bpe(const JsonFile& file, const Json& model, const std::vector<AddedToken>& added, bool byte_level,
              TokenizerPipeline& p, std::string& end_of_word) {
  const std::string where = file.path + ", BPE";
  if (!byte_level) unsupported(where, "BPE over characters, without the pre-tokenizer ByteLevel,");
  auto dropout = model.find("dropout");
  if (dropout != model.end() && !dropout->is_null() && *dropout != 0) unsupported(where, "\"dropout\"");
  if (bool_in(model, "byte_fallback", where, false)) unsupported(where, "\"byte_fallback\"");
  if (!string_in(model, "continuing_subword_prefix", where, "").empty())
    unsupported(where, "\"continuing_subword_prefix\"");
  p.vocabulary = all_tokens(tokens_of_json(member(model, "vocab", where), where + ", vocab"), added, file);
  BpeOptions o;
  o.end_of_word = string_in(model, "end_of_word_suffix", where, "");
  o.ignore_merges = bool_in(model, "ignore_merges", where, false);
  const std::string unknown = string_in(model, "unk_token", where, "");
  if (!unknown.empty()) o.unknown = unknown;
  p.kind = o.end_of_word.empty() ? "byte-level BPE" : "CLIP BPE";
  p.model = make_bpe(p.vocabulary, merges_from(member(model, "merges", where), where), o, where);
  if (o.unknown) p.special.unk = *p.vocabulary.id_of(unknown);
  end_of_word = o.end_of_word;
}

void read_unigram(const JsonFile& file, const Json& model, const std::vector<AddedToken>& added,
                  TokenizerPipeline& p) {
  const std::string where = file.path + ", Unigram";
  const Json& list = member(model, "vocab", where);
  GRAFT_CHECK_AS(DataError, list.is_array(), where, ": \"vocab\" is not a list");
  std::vector<UnigramPiece> pieces;
  std::vector<std::pair<std::string, int64_t>> tokens;
  UnigramOptions o;
  for (const Json& piece : list) {
    const bool fits = piece.is_array() && piece.size() == 2 && piece[0].is_string() && piece[1].is_number();
    GRAFT_CHECK_AS(DataError, fits, where, ": piece ", pieces.size(), ", ", printable(piece.dump()),
                   ", is not [text, score]");
    const auto text = piece[0].get<std::string>();
    const auto score = piece[1].get<double>();
    o.lowest = pieces.empty() ? score : std::min(o.lowest, score);
    tokens.emplace_back(text, static_cast<int64_t>(tokens.size()));
    pieces.push_back({text, score});
  }
  o.unknown = integer_in(model, "unk_id", where, -1);
  o.byte_fallback = bool_in(model, "byte_fallback", where, false);
  p.kind = "Unigram";
  p.model = make_unigram(pieces, o, where);
  p.vocabulary = all_tokens(std::move(tokens), added, file);
  p.special.unk = o.unknown;
}

// Length limits in the file are the caller's business here; what makes no sense is refused all the same.
void check_limits(const JsonFile& file, const Vocabulary& vocabulary) {
  if (const Json& t = file.part("truncation"); !t.is_null()) {
    const std::string where = file.path + ", truncation";
    const int64_t length = integer_in(t, "max_length", where), stride = integer_in(t, "stride", where, 0);
    GRAFT_CHECK_AS(DataError, length >= 1, where, ": max_length is ", length);
    GRAFT_CHECK_AS(DataError, stride >= 0 && stride < length, where, ": stride ", stride,
                   " is not less than max_length ", length);
  }
  if (const Json& t = file.part("padding"); !t.is_null()) {
    const std::string where = file.path + ", padding";
    const Json& strategy = member(t, "strategy", where);
    if (strategy.is_object()) {
      const int64_t fixed = integer_in(strategy, "Fixed", where);
      GRAFT_CHECK_AS(DataError, fixed >= 1, where, ": a fixed length of ", fixed);
    }
    const int64_t multiple = integer_in(t, "pad_to_multiple_of", where, 1);
    GRAFT_CHECK_AS(DataError, multiple >= 1, where, ": pad_to_multiple_of is ", multiple);
    const int64_t id = integer_in(t, "pad_id", where, 0);
    GRAFT_CHECK_AS(DataError, id >= 0 && id < vocabulary.size(), where, ": pad_id ", id,
                   " is not in the vocabulary of ", vocabulary.size(), " tokens");
  }
}

// By the small files beside it, or else by the names that the families use.
void find_roles(const Hints& hints, TokenizerPipeline& p) {
  auto role = [&](const char* name, std::initializer_list<const char*> usual) -> int64_t {
    auto named = hints.tokens.find(name);
    if (named != hints.tokens.end()) return p.vocabulary.id_of(named->second).value_or(-1);
    for (const char* token : usual) {
      auto id = p.vocabulary.id_of(token);
      if (id && p.is_special[static_cast<size_t>(*id)]) return *id;
    }
    return -1;
  };
  SpecialTokens& s = p.special;
  s.pad = role("pad_token", {"[PAD]", "<pad>"});
  s.cls = role("cls_token", {"[CLS]", "<s>"});
  if (s.cls >= 0) s.sep = role("sep_token", {"[SEP]", "</s>"});
  s.mask = role("mask_token", {"[MASK]", "<mask>"});
  s.bos = role("bos_token", {"<s>", "<|startoftext|>", "<|endoftext|>"});
  s.eos = role("eos_token", {"</s>", "<|endoftext|>"});
  if (p.kind == "CLIP BPE" && s.pad < 0) s.pad = s.eos;
  if (s.unk < 0) s.unk = role("unk_token", {"[UNK]", "<unk>", "<|endoftext|>"});
}

}  // namespace

PipelinePtr open_tokenizer_json(TokenizerFiles& files, const std::string& name, const Hints& hints) {
  JsonFile file{{}, files.path(name)};
  file.json = parse_json(files.read(name), file.path);
  GRAFT_CHECK_AS(DataError, file.json.is_object(), file.path, ": not a JSON object");
  std::vector<AddedToken> added = read_added(file);
  auto p = std::make_shared<TokenizerPipeline>();
  SplitterParts splitters = splitters_from(file.part("pre_tokenizer"), file.path + ", pre_tokenizer");
  p->split = std::move(splitters.split);
  p->normalize = normalizer_from(file.part("normalizer"), file.path + ", normalizer");

  const Json& model = member(file.json, "model", file.path);
  const std::string type =
      string_in(model, "type", file.path + ", model", model.contains("merges") ? "BPE" : "");
  std::string end_of_word;
  if (type == "WordPiece") {
    read_wordpiece(file, model, added, *p);
  } else if (type == "BPE") {
    read_bpe(file, model, added, splitters.byte_level, *p, end_of_word);
  } else if (type == "Unigram") {
    read_unigram(file, model, added, *p);
  } else {
    unsupported(file.path, "the model \"" + printable(type) + "\"");
  }
  ProcessorParts processor =
      processor_from(file.part("post_processor"), p->vocabulary, file.path + ", post_processor");
  p->single = std::move(processor.single);
  p->pair = std::move(processor.pair);
  p->trim = processor.trim;
  p->decode = decoder_from(file.part("decoder"), end_of_word, file.path + ", decoder");
  check_limits(file, p->vocabulary);
  p->finish(std::move(added));
  find_roles(hints, *p);
  return p;
}

}  // namespace graft::data
