// GPT-2, RoBERTa and CLIP: vocab.json and merges.txt.
#include "data/text/bpe.h"
#include "data/text/byte_level.h"
#include "data/text/families.h"
#include "data/text/unicode.h"

namespace graft::data {

namespace {

using What = TemplatePart::What;

// What the three have in common so far.
struct Parts {
  PipelinePtr p = std::make_shared<TokenizerPipeline>();
  std::vector<AddedToken> added;
  std::string where;

  int64_t role(const Hints& hints, const char* name, const char* usual, bool lstrip = false) {
    const std::string token = hints.token(name, usual);
    auto id = p->vocabulary.id_of(token);
    GRAFT_CHECK_AS(DataError, id.has_value(), where, ": the vocabulary has no \"", printable(token),
                   "\", the ", name, " of this family");
    for (const AddedToken& t : added) {
      if (t.id == *id) return *id;
    }
    added.push_back({.content = token, .id = *id, .special = true, .normalized = !lstrip, .lstrip = lstrip});
    return *id;
  }
};

void gpt2_parts(Parts& parts, const Hints& hints) {
  SpecialTokens& s = parts.p->special;
  s.bos = parts.role(hints, "bos_token", "<|endoftext|>");
  s.eos = parts.role(hints, "eos_token", "<|endoftext|>");
  s.unk = parts.role(hints, "unk_token", "<|endoftext|>");
  if (hints.tokens.contains("pad_token")) s.pad = parts.role(hints, "pad_token", "");
  parts.p->kind = "byte-level BPE";
  parts.p->split = {gpt2_splitter()};
  parts.p->single = {{What::first, 0, 0}};
  parts.p->pair = {{What::first, 0, 0}, {What::second, 0, 1}};
}

// Begin A end, and begin A end end B end.
void enclosed(TokenizerPipeline& p, int64_t begin, int64_t end) {
  p.single = {{What::token, begin, 0}, {What::first, 0, 0}, {What::token, end, 0}};
  p.pair = p.single;
  p.pair.push_back({What::token, end, 0});
  p.pair.push_back({What::second, 0, 0});
  p.pair.push_back({What::token, end, 0});
}

void roberta_parts(Parts& parts, const Hints& hints) {
  SpecialTokens& s = parts.p->special;
  s.bos = parts.role(hints, "bos_token", "<s>");
  s.pad = parts.role(hints, "pad_token", "<pad>");
  s.eos = parts.role(hints, "eos_token", "</s>");
  s.unk = parts.role(hints, "unk_token", "<unk>");
  s.mask = parts.role(hints, "mask_token", "<mask>", true);
  s.cls = parts.role(hints, "cls_token", "<s>");
  s.sep = parts.role(hints, "sep_token", "</s>");
  parts.p->kind = "byte-level BPE";
  parts.p->split = {gpt2_splitter()};
  parts.p->trim = {true, hints.add_prefix_space};
  enclosed(*parts.p, s.cls, s.sep);
}

void clip_parts(Parts& parts, const Hints& hints, BpeOptions& options) {
  SpecialTokens& s = parts.p->special;
  s.bos = parts.role(hints, "bos_token", "<|startoftext|>");
  s.eos = parts.role(hints, "eos_token", "<|endoftext|>");
  s.unk = parts.role(hints, "unk_token", "<|endoftext|>");
  s.pad = parts.role(hints, "pad_token", "<|endoftext|>");
  options.end_of_word = "</w>";
  options.unknown = hints.token("unk_token", "<|endoftext|>");
  parts.p->kind = "CLIP BPE";
  parts.p->normalize = [](Text& text) {
    unicode::nfc(text);
    collapse_spaces(text);
    unicode::lowercase(text);
  };
  parts.p->split = {clip_splitter()};
  enclosed(*parts.p, s.bos, s.eos);
}

}  // namespace

void collapse_spaces(Text& text) {
  size_t n = 0;
  for (size_t i = 0; i < text.size();) {
    Char c = text[i++];
    if (unicode::is_space(c.code)) {
      c.code = ' ';
      for (; i < text.size() && unicode::is_space(text[i].code); ++i) c.end = text[i].end;
    }
    text[n++] = c;
  }
  text.resize(n);
}

PipelinePtr open_byte_level(TokenizerFiles& files, const std::string& vocab, const std::string& merges,
                            const Hints& hints) {
  Parts parts;
  parts.where = files.path(vocab);
  parts.p->vocabulary =
      Vocabulary(tokens_of_json(parse_json(files.read(vocab), parts.where), parts.where), parts.where);
  const Vocabulary& vocabulary = parts.p->vocabulary;
  BpeOptions options;
  // By name, or else by what only one family has in its vocabulary.
  const bool named = hints.is("clip") || hints.is("roberta") || hints.is("gpt2");
  if (hints.is("clip") || (!named && vocabulary.id_of("<|startoftext|>") && vocabulary.id_of("a</w>"))) {
    clip_parts(parts, hints, options);
  } else if (hints.is("roberta") || (!named && vocabulary.id_of("<s>") && vocabulary.id_of("</s>"))) {
    roberta_parts(parts, hints);
  } else {
    gpt2_parts(parts, hints);
  }
  if (hints.add_prefix_space) parts.p->split.insert(parts.p->split.begin(), prefix_space());
  parts.p->model =
      make_bpe(vocabulary, read_merges(files.read(merges), files.path(merges)), options, files.path(merges));
  parts.p->decode = byte_level_decoder(options.end_of_word);
  parts.p->finish(std::move(parts.added));
  return parts.p;
}

}  // namespace graft::data
