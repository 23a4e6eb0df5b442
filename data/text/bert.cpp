#include "data/text/families.h"
#include "data/text/wordpiece.h"

namespace graft::data {

namespace {

std::vector<std::pair<std::string, int64_t>> read_vocab(TokenizerFiles& files, const std::string& name) {
  std::vector<std::pair<std::string, int64_t>> tokens;
  for (std::string& line : text_lines(files.read(name), files.path(name))) {
    GRAFT_CHECK_AS(DataError, !line.empty(), files.path(name), ", line ", tokens.size() + 1,
                   ": empty; each line is a token");
    auto id = static_cast<int64_t>(tokens.size());
    tokens.emplace_back(std::move(line), id);
  }
  return tokens;
}

// A tokenizer that lower-cases has no use for a token with an upper-case letter.
bool has_upper_case(const Vocabulary& vocabulary) {
  for (const std::string& token : vocabulary.tokens()) {
    if (token.starts_with('[') && token.ends_with(']')) continue;
    for (char c : token) {
      if (c >= 'A' && c <= 'Z') return true;
    }
  }
  return false;
}

}  // namespace

PipelinePtr open_bert(TokenizerFiles& files, const std::string& vocab, const Hints& hints,
                      std::optional<bool> lowercase) {
  const std::string where = files.path(vocab);
  auto p = std::make_shared<TokenizerPipeline>();
  p->kind = "WordPiece";
  p->vocabulary = Vocabulary(read_vocab(files, vocab), where);
  WordPieceOptions options;
  options.unknown = hints.token("unk_token", "[UNK]");
  p->model = make_wordpiece(p->vocabulary, options, where);

  BertNormalizerOptions normal;
  normal.lowercase = lowercase         ? *lowercase
                     : hints.lowercase ? *hints.lowercase
                                       : !has_upper_case(p->vocabulary);
  normal.strip_accents = hints.strip_accents.value_or(normal.lowercase);
  normal.space_ideographs = hints.space_ideographs.value_or(true);
  p->normalize = bert_normalizer(normal);
  p->split = {bert_splitter()};
  p->decode = wordpiece_decoder(options.prefix, true);

  std::vector<AddedToken> added;
  auto role = [&](const char* name, const char* usual, bool needed) {
    const std::string token = hints.token(name, usual);
    auto id = p->vocabulary.id_of(token);
    GRAFT_CHECK_AS(DataError, id.has_value() || !needed, where, ": the vocabulary has no \"",
                   printable(token), "\", which every input begins or ends with");
    if (id) added.push_back({.content = token, .id = *id, .special = true});
    return id.value_or(-1);
  };
  SpecialTokens& s = p->special;
  s.pad = role("pad_token", "[PAD]", false);
  s.unk = role("unk_token", "[UNK]", true);
  s.cls = role("cls_token", "[CLS]", true);
  s.sep = role("sep_token", "[SEP]", true);
  s.mask = role("mask_token", "[MASK]", false);
  using What = TemplatePart::What;
  p->single = {{What::token, s.cls, 0}, {What::first, 0, 0}, {What::token, s.sep, 0}};
  p->pair = p->single;
  p->pair.push_back({What::second, 0, 1});
  p->pair.push_back({What::token, s.sep, 1});
  p->finish(std::move(added));
  return p;
}

}  // namespace graft::data
