#include "data/text/tokenizer.h"

#include <algorithm>

#include "core/error.h"
#include "core/pages.h"
#include "data/text/pipeline.h"
#include "data/text/unicode.h"

namespace graft::data {

namespace {

using Tokens = std::vector<Token>;

Tokens tokens_of(const TokenizerPipeline& p, std::string_view text) {
  Tokens out;
  Text characters = to_text(text);
  reserve_large(out, characters.size());  // seldom more, and what stays unused is never touched
  p.added.scan(
      std::move(characters), p.trim.on, p.normalize, [&](Token t) { out.push_back(t); },
      [&](Text&& part) {
        if (part.empty()) return;
        Words words{std::move(part), {}};
        words.words.push_back({0, static_cast<uint32_t>(words.text.size())});
        for (const Splitter& split : p.split) split(words);
        for (Range r : words.words) {
          if (r.begin < r.end) p.model->encode(std::span(words.text).subspan(r.begin, r.end - r.begin), out);
        }
      });
  return out;
}

// Leaves the white space that a token begins or ends with out of its offsets.
void trim_offsets(const TokenizerPipeline& p, Tokens& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    Token& t = tokens[i];
    const std::u32string token = to_utf32(p.vocabulary.token_of(t.id));
    auto space = [](char32_t c) {
      return c == 0x120 || unicode::is_space(c);
    };  // U+0120 stands for the space
    auto leading = static_cast<uint32_t>(std::find_if_not(token.begin(), token.end(), space) - token.begin());
    auto trailing =
        static_cast<uint32_t>(std::find_if_not(token.rbegin(), token.rend(), space) - token.rbegin());
    if (leading > 0 && p.trim.prefix_space && (i == 0 || t.begin == 0)) leading = 0;
    t.begin = std::min(t.begin + leading, t.end);
    if (trailing > 0 && t.end >= trailing) t.end = std::max(t.end - trailing, t.begin);
  }
}

// Half-open parts of at most `room` tokens, each sharing `stride` tokens with the one before; the last one
// ends where the text does. None at all still is one part, empty.
std::vector<Range> parts(size_t tokens, size_t room, size_t stride) {
  std::vector<Range> out;
  for (size_t begin = 0;; begin += room - stride) {
    size_t end = std::min(tokens, begin + room);
    out.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
    if (end == tokens) return out;
  }
}

int64_t special_count(const Template& parts_of) {
  return std::count_if(parts_of.begin(), parts_of.end(),
                       [](const TemplatePart& p) { return p.what == TemplatePart::What::token; });
}

Encoding assemble(const Template& parts_of, bool add_special, std::span<const Token> first,
                  std::span<const Token> second) {
  Encoding e;
  const size_t most = first.size() + second.size() + parts_of.size();
  reserve_large(e.ids, most);
  reserve_large(e.type_ids, most);
  reserve_large(e.offsets, most);
  reserve_large(e.sequence, most);
  e.special.reserve(most);
  auto put = [&](const Token& t, int64_t type, int8_t sequence) {
    e.ids.push_back(t.id);
    e.type_ids.push_back(type);
    e.offsets.emplace_back(t.begin, t.end);
    e.sequence.push_back(sequence);
    e.special.push_back(sequence < 0);
  };
  for (const TemplatePart& part : parts_of) {
    switch (part.what) {
      case TemplatePart::What::token:
        if (add_special) put({part.id, 0, 0}, part.type, -1);
        break;
      case TemplatePart::What::first:
        for (const Token& t : first) put(t, part.type, 0);
        break;
      case TemplatePart::What::second:
        for (const Token& t : second) put(t, part.type, 1);
        break;
    }
  }
  return e;
}

// How many tokens of each text stay.
struct Room {
  size_t first = 0, second = 0;
};
Room room_for(size_t first, size_t second, bool pair, size_t room, Truncation how) {
  if (first + second <= room) return {first, second};
  const size_t over = first + second - room;
  auto shorter = [&](size_t tokens, const char* which) {
    if (tokens <= over) {
      fail<UsageError>("encode: ", over, " tokens must go, but the ", which,
                       " text, which is to be cut, has only ", tokens,
                       "; raise max_length or use longest_first");
    }
    return tokens - over;
  };
  switch (how) {
    case Truncation::only_first: return {shorter(first, "first"), second};
    case Truncation::only_second:
      if (!pair) fail<UsageError>("encode: only_second was asked for, but there is no second text");
      return {first, shorter(second, "second")};
    case Truncation::longest_first: break;
  }
  if (!pair) return {room, 0};
  const size_t low = std::min(first, second);
  size_t high = std::max(low, room - std::min(room, low));
  size_t kept = low;
  if (low + high > room) {
    kept = room / 2;
    high = kept + room % 2;
  }
  return first <= second ? Room{kept, high} : Room{high, kept};
}

std::vector<Encoding> encode_all(const TokenizerPipeline& p, std::string_view text,
                                 const std::string_view* pair, const EncodeOptions& o, bool windows) {
  Tokens first = tokens_of(p, text), second = pair ? tokens_of(p, *pair) : Tokens{};
  if (p.trim.on) {
    trim_offsets(p, first);
    trim_offsets(p, second);
  }
  const Template& parts_of = pair ? p.pair : p.single;
  GRAFT_CHECK_AS(UsageError, o.max_length >= 0, "encode: max_length ", o.max_length, " is negative");
  GRAFT_CHECK_AS(UsageError, o.stride >= 0, "encode: stride ", o.stride, " is negative");
  const int64_t added = o.add_special ? special_count(parts_of) : 0;
  std::vector<Encoding> out;  // an initialiser list would copy
  if (o.max_length == 0) {
    out.push_back(assemble(parts_of, o.add_special, first, second));
    return out;
  }
  GRAFT_CHECK_AS(UsageError, o.max_length >= added, "encode: max_length ", o.max_length,
                 " leaves no room: the ", added, " special tokens of ", pair ? "a pair" : "a text",
                 " come first");
  const auto room = static_cast<size_t>(o.max_length - added);
  const auto stride = static_cast<size_t>(o.stride);
  if (!windows) {
    Room kept = room_for(first.size(), second.size(), pair != nullptr, room, o.truncation);
    Encoding e = assemble(parts_of, o.add_special, std::span(first).first(kept.first),
                          std::span(second).first(kept.second));
    e.truncated = kept.first < first.size() || kept.second < second.size();
    out.push_back(std::move(e));
    return out;
  }
  if (pair && o.truncation == Truncation::longest_first)
    fail<UsageError>("windows: of a pair, only_first or only_second says which text is cut");
  if (!pair && o.truncation == Truncation::only_second)
    fail<UsageError>("windows: only_second was asked for, but there is no second text");
  const bool cut_second = o.truncation == Truncation::only_second;
  const Tokens& cut = cut_second ? second : first;
  const size_t kept_whole = cut_second ? first.size() : second.size();
  if (kept_whole + stride >= room) {
    fail<UsageError>("windows: max_length ", o.max_length, " leaves ", room - std::min(room, kept_whole),
                     " tokens of the text that is cut, which is no more than the stride ", stride);
  }
  for (Range r : parts(cut.size(), room - kept_whole, stride)) {
    auto part = std::span(cut).subspan(r.begin, r.end - r.begin);
    out.push_back(cut_second ? assemble(parts_of, o.add_special, first, part)
                             : assemble(parts_of, o.add_special, part, second));
    out.back().truncated = part.size() < cut.size();
  }
  return out;
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<const TokenizerPipeline> pipeline) : pipeline_(std::move(pipeline)) {}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return std::move(encode_all(*pipeline_, text, nullptr, options, false)[0]);
}
Encoding Tokenizer::encode(std::string_view text, std::string_view pair, const EncodeOptions& options) const {
  return std::move(encode_all(*pipeline_, text, &pair, options, false)[0]);
}
std::vector<Encoding> Tokenizer::windows(std::string_view text, const EncodeOptions& options) const {
  return encode_all(*pipeline_, text, nullptr, options, true);
}
std::vector<Encoding> Tokenizer::windows(std::string_view text, std::string_view pair,
                                         const EncodeOptions& options) const {
  return encode_all(*pipeline_, text, &pair, options, true);
}

std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special) const {
  std::vector<std::string_view> tokens;
  for (int64_t id : ids) {
    if (skip_special && is_special(id)) continue;
    tokens.push_back(token_of(id));
  }
  return valid_utf8(pipeline_->decode(tokens));
}

PaddedBatch Tokenizer::pad(std::span<const Encoding> batch, const PadOptions& options) const {
  PaddedBatch out;
  int64_t columns = options.length;
  for (const Encoding& e : batch) {
    out.lengths.push_back(static_cast<int64_t>(e.ids.size()));
    columns = std::max(columns, out.lengths.back());
  }
  const int64_t rows = static_cast<int64_t>(batch.size());
  const SpecialTokens& s = special();
  const int64_t fill = s.pad >= 0 ? s.pad : s.eos >= 0 ? s.eos : 0;
  out.ids = Tensor::full({rows, columns}, static_cast<double>(fill), DType::i64);
  out.type_ids = Tensor::zeros({rows, columns}, DType::i64);
  out.mask = Tensor::zeros({rows, columns}, DType::i64);
  for (int64_t r = 0; r < rows; ++r) {
    const Encoding& e = batch[static_cast<size_t>(r)];
    const int64_t n = out.lengths[static_cast<size_t>(r)];
    const int64_t at = r * columns + (options.left ? columns - n : 0);
    std::copy(e.ids.begin(), e.ids.end(), out.ids.data<int64_t>() + at);
    std::copy(e.type_ids.begin(), e.type_ids.end(), out.type_ids.data<int64_t>() + at);
    std::fill_n(out.mask.data<int64_t>() + at, n, 1);
  }
  return out;
}

int64_t Tokenizer::vocab_size() const {
  return pipeline_->vocabulary.size();
}
std::optional<int64_t> Tokenizer::id_of(std::string_view token) const {
  return pipeline_->vocabulary.id_of(token);
}
const std::string& Tokenizer::token_of(int64_t id) const {
  GRAFT_CHECK_AS(UsageError, id >= 0 && id < vocab_size(), "tokenizer: the id ", id,
                 " is not in the vocabulary of ", vocab_size(), " tokens");
  return pipeline_->vocabulary.token_of(id);
}
bool Tokenizer::is_special(int64_t id) const {
  return id >= 0 && id < vocab_size() && pipeline_->is_special[static_cast<size_t>(id)];
}
const SpecialTokens& Tokenizer::special() const {
  return pipeline_->special;
}
int64_t Tokenizer::model_max_length() const {
  return pipeline_->model_max_length;
}
const std::string& Tokenizer::kind() const {
  return pipeline_->kind;
}
const std::string& Tokenizer::content_sha256() const {
  return pipeline_->content_sha256;
}

void Tokenizer::require_rows(int64_t rows, std::string_view model) const {
  if (vocab_size() <= rows) return;
  fail<DataError>(model, ": the embedding has ", rows, " rows, but the tokenizer's vocabulary has ",
                  vocab_size(), " tokens (\"", printable(token_of(rows)),
                  "\" is the first without a row); model and tokenizer ", "are not of one checkpoint");
}

void TokenizerPipeline::finish(std::vector<AddedToken> tokens) {
  is_special.assign(static_cast<size_t>(vocabulary.size()), false);
  for (const AddedToken& t : tokens) {
    if (t.special) is_special[static_cast<size_t>(t.id)] = true;
  }
  if (!normalize) normalize = [](Text&) {};
  added = AddedTokens(std::move(tokens), normalize);
}

}  // namespace graft::data
