// T5: spiece.model, a SentencePiece model as a Protocol Buffers message (sentencepiece_model.proto).
#include <algorithm>

#include "data/text/families.h"
#include "data/text/protobuf.h"
#include "data/text/unigram.h"

namespace graft::data {

namespace {

enum class PieceType : uint64_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct Piece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;
};

struct SentencePieceModel {
  std::vector<Piece> pieces;
  uint64_t model_type = 1;
  bool byte_fallback = false, whitespace_as_suffix = false;
  std::string charsmap;
  bool dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
};

Piece read_piece(ProtoReader r) {
  Piece piece;
  while (r.next()) {
    switch (r.field()) {
      case 1:
        piece.text = r.bytes();
        if (!is_utf8(piece.text)) r.reject("the piece \"" + printable(piece.text) + "\" is not UTF-8");
        break;
      case 2: piece.score = r.f32(); break;
      case 3: {
        const uint64_t type = r.varint();
        if (type < 1 || type > 6) r.reject(str("the piece type ", type, ", which does not exist"));
        piece.type = static_cast<PieceType>(type);
        break;
      }
      default: r.skip();
    }
  }
  return piece;
}

void read_trainer(ProtoReader r, SentencePieceModel& model) {
  while (r.next()) {
    switch (r.field()) {
      case 3: model.model_type = r.varint(); break;
      case 24: model.whitespace_as_suffix = r.boolean(); break;
      case 35: model.byte_fallback = r.boolean(); break;
      default: r.skip();
    }
  }
}

void read_normalizer(ProtoReader r, SentencePieceModel& model) {
  while (r.next()) {
    switch (r.field()) {
      case 2: model.charsmap = r.bytes(); break;
      case 3: model.dummy_prefix = r.boolean(); break;
      case 4: model.remove_extra_whitespaces = r.boolean(); break;
      case 5: model.escape_whitespaces = r.boolean(); break;
      default: r.skip();
    }
  }
}

SentencePieceModel read_model(const std::string& bytes, const std::string& path) {
  SentencePieceModel model;
  ProtoReader r(bytes, path);
  while (r.next()) {
    switch (r.field()) {
      case 1: model.pieces.push_back(read_piece(r.message())); break;
      case 2: read_trainer(r.message(), model); break;
      case 3: read_normalizer(r.message(), model); break;
      default: r.skip();
    }
  }
  GRAFT_CHECK_AS(DataError, !model.pieces.empty(), path, ": no pieces; this is no SentencePiece model");
  GRAFT_CHECK_AS(DataError, model.model_type == 1, path, ": model type ", model.model_type,
                 " is not supported; T5's is 1, unigram");
  GRAFT_CHECK_AS(DataError, !model.whitespace_as_suffix && model.escape_whitespaces, path,
                 ": spaces as suffixes or unescaped are not supported; T5 has neither");
  return model;
}

UnigramOptions check_pieces(const SentencePieceModel& model, const std::string& path) {
  UnigramOptions options;
  options.sums_in_float = true;
  options.byte_fallback = model.byte_fallback;
  bool first = true;
  for (size_t i = 0; i < model.pieces.size(); ++i) {
    const Piece& p = model.pieces[i];
    if (p.type == PieceType::unknown) {
      GRAFT_CHECK_AS(DataError, options.unknown < 0, path, ": pieces ", options.unknown, " and ", i,
                     " both stand for the unknown");
      options.unknown = static_cast<int64_t>(i);
    }
    GRAFT_CHECK_AS(DataError, p.type != PieceType::byte || byte_token(p.text) >= 0, path, ": piece ", i,
                   ", \"", printable(p.text), "\", is of type byte, but is not <0x00> to <0xFF>");
    if (p.type != PieceType::normal) continue;
    options.lowest = first ? double{p.score} : std::min(options.lowest, double{p.score});
    options.highest = first ? double{p.score} : std::max(options.highest, double{p.score});
    first = false;
  }
  GRAFT_CHECK_AS(DataError, options.unknown >= 0, path, ": no piece stands for the unknown");
  return options;
}

}  // namespace

PipelinePtr open_t5(TokenizerFiles& files, const std::string& name, const Hints& hints) {
  const std::string path = files.path(name);
  SentencePieceModel model = read_model(files.read(name), path);
  UnigramOptions options = check_pieces(model, path);

  std::vector<UnigramPiece> pieces;
  std::vector<std::pair<std::string, int64_t>> tokens;
  SentencePieceRules rules;
  std::vector<AddedToken> added;
  for (const Piece& p : model.pieces) {
    const auto id = static_cast<int64_t>(tokens.size());
    const bool in_text = p.type == PieceType::normal || p.type == PieceType::user_defined;
    pieces.push_back({p.text, p.score, in_text, p.type == PieceType::user_defined});
    if (p.type == PieceType::user_defined) rules.user_defined.push_back(to_utf32(p.text));
    tokens.emplace_back(p.text, id);
  }
  auto p = std::make_shared<TokenizerPipeline>();
  p->kind = "Unigram";
  p->model = make_unigram(pieces, options, path);
  // T5's sentinels are no part of the model: <extra_id_0> is the last id.
  for (int64_t i = hints.extra_ids; i-- > 0;) {
    const auto id = static_cast<int64_t>(tokens.size());
    std::string token = str("<extra_id_", i, ">");
    added.push_back({.content = token, .id = id, .special = true});
    tokens.emplace_back(std::move(token), id);
  }
  p->vocabulary = Vocabulary(std::move(tokens), path);

  auto role = [&](const char* which, const char* usual) {
    const std::string token = hints.token(which, usual);
    auto id = p->vocabulary.id_of(token);
    GRAFT_CHECK_AS(DataError, id.has_value(), path, ": no piece \"", printable(token), "\", the ", which,
                   " of T5");
    added.push_back({.content = token, .id = *id, .special = true});
    return *id;
  };
  SpecialTokens& s = p->special;
  s.pad = role("pad_token", "<pad>");
  s.eos = role("eos_token", "</s>");
  s.unk = role("unk_token", "<unk>");

  if (!model.charsmap.empty()) rules.charsmap = std::make_shared<const Charsmap>(model.charsmap, path);
  rules.dummy_prefix = model.dummy_prefix;
  rules.collapse_spaces = model.remove_extra_whitespaces;
  p->normalize = sentencepiece_normalizer(std::move(rules));
  p->decode = metaspace_decoder(kMetaspace, model.dummy_prefix);
  using What = TemplatePart::What;
  p->single = {{What::first, 0, 0}, {What::token, s.eos, 0}};
  p->pair = {{What::first, 0, 0}, {What::token, s.eos, 0}, {What::second, 0, 0}, {What::token, s.eos, 0}};
  p->finish(std::move(added));
  return p;
}

}  // namespace graft::data
