#include "data/text/unigram.h"

#include <array>
#include <cmath>

#include "core/error.h"
#include "core/pages.h"
#include "data/text/lattice.h"
#include "data/text/unicode.h"

namespace graft::data {

namespace {

constexpr double kUnknownPenalty = 10;

class Unigram : public WordModel {
 public:
  Unigram(const std::vector<UnigramPiece>& pieces, const UnigramOptions& options) : options_(options) {
    unknown_score_ = options.lowest - kUnknownPenalty;
    if (options.sums_in_float)
      unknown_score_ =
          static_cast<double>(static_cast<float>(options.lowest) - static_cast<float>(kUnknownPenalty));
    bytes_.fill(-1);
    std::vector<Trie::Word> words;
    for (size_t id = 0; id < pieces.size(); ++id) {
      scores_.push_back(score_of(pieces[id]));
      if (pieces[id].found_in_text) words.push_back({to_utf32(pieces[id].text), static_cast<int32_t>(id)});
      if (int byte = byte_token(pieces[id].text); byte >= 0)
        bytes_[static_cast<size_t>(byte)] = static_cast<int64_t>(id);
    }
    trie_ = Trie(std::move(words));
  }

  // What all paths share is settled, such as what lies before the beginning of a word.
  void encode(std::span<const Char> word, std::vector<Token>& out) const override {
    Lattice lattice;
    bool after_unknown = false;
    for (size_t i = 0; i < word.size(); ++i) {
      if (lattice.may_settle(i)) settle(word, lattice, lattice.shared(i), after_unknown, out);
      extend(word, i, lattice);
    }
    settle(word, lattice, lattice.reach(), after_unknown, out);
  }

 private:
  // A piece that wins wherever it stands is rated by its length.
  double score_of(const UnigramPiece& piece) const {
    if (!piece.user_defined) return piece.score;
    const auto product = static_cast<float>(piece.text.size()) * static_cast<float>(options_.highest);
    return static_cast<double>(product) - 0.1;
  }

  // The tokens of the best path to `to`; the lattice goes on from there.
  void settle(std::span<const Char> word, Lattice& lattice, size_t to, bool& after_unknown,
              std::vector<Token>& out) const {
    lattice.turn_path(to);
    for (size_t begin = lattice.from(), end = 0; begin < to; begin = end) {
      end = lattice[begin].other;
      const int64_t id = lattice[end].id;
      const bool unknown = id == options_.unknown;
      if (unknown && options_.byte_fallback) {
        put_bytes(word.subspan(begin, end - begin), out);
      } else if (unknown && after_unknown) {
        out.back().end = word[end - 1].end;  // neighbours that are unknown are one token
      } else {
        out.push_back({id, word[begin].begin, word[end - 1].end});
      }
      after_unknown = unknown;
    }
    lattice.restart(to);
  }

  void offer(Lattice& lattice, size_t end, double score, size_t begin, int32_t id) const {
    Lattice::Node& node = lattice.reach_to(end);
    if (options_.sums_in_float) score = static_cast<double>(static_cast<float>(score));
    if (node.other == Lattice::kNowhere || score > node.score)
      node = {score, static_cast<uint32_t>(begin), id};
  }

  // All pieces that begin at i.
  void extend(std::span<const Char> word, size_t i, Lattice& lattice) const {
    const double here = lattice[i].score;
    bool single = false;
    int32_t node = Trie::kRoot;
    for (size_t end = i; end < word.size();) {
      node = trie_.step(node, word[end].code);
      if (node == Trie::kNone) break;
      ++end;
      const int32_t id = trie_.value(node);
      if (id == Trie::kNone) continue;
      offer(lattice, end, scores_[static_cast<size_t>(id)] + here, i, id);
      single = single || end == i + 1;
    }
    if (single) return;
    offer(lattice, i + 1, unknown_score_ + here, i, static_cast<int32_t>(options_.unknown));
  }

  void put_bytes(std::span<const Char> part, std::vector<Token>& out) const {
    for (const Char& c : part) {
      std::string bytes;
      append_utf8(bytes, c.code);
      for (char b : bytes) out.push_back({bytes_[static_cast<uint8_t>(b)], c.begin, c.end});
    }
  }

  UnigramOptions options_;
  double unknown_score_ = 0;
  Trie trie_;
  std::vector<double> scores_;  // by id
  std::array<int64_t, 256> bytes_{};
};

}  // namespace

int byte_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  int value = 0;
  for (char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = 16 * value + digit;
  }
  return value;
}

std::unique_ptr<WordModel> make_unigram(const std::vector<UnigramPiece>& pieces,
                                        const UnigramOptions& options, const std::string& where) {
  const auto n = static_cast<int64_t>(pieces.size());
  GRAFT_CHECK_AS(DataError, options.unknown >= 0 && options.unknown < n, where,
                 ": the unknown token is number ", options.unknown, " of ", n,
                 " pieces; a unigram model needs one");
  std::array<bool, 256> bytes{};
  for (size_t i = 0; i < pieces.size(); ++i) {
    GRAFT_CHECK_AS(DataError, !pieces[i].text.empty(), where, ": piece ", i, " is empty");
    GRAFT_CHECK_AS(DataError, std::isfinite(pieces[i].score), where, ": piece ", i, ", \"",
                   printable(pieces[i].text), "\": its score is not a finite number");
    if (int byte = byte_token(pieces[i].text); byte >= 0) bytes[static_cast<size_t>(byte)] = true;
  }
  for (size_t b = 0; options.byte_fallback && b < 256; ++b) {
    GRAFT_CHECK_AS(DataError, bytes[b], where,
                   ": unknown characters become bytes, but there is no token for byte ", b);
  }
  return std::make_unique<Unigram>(pieces, options);
}

Normalizer sentencepiece_normalizer(SentencePieceRules rules) {
  std::vector<Trie::Word> words;
  for (const std::u32string& word : rules.user_defined) words.push_back({word, 1});
  auto taken_as_is = std::make_shared<const Trie>(std::move(words));
  return [rules = std::move(rules), taken_as_is](Text& text) {
    Text out;
    reserve_large(out, text.size() + 1);
    std::u32string whole;
    bool after_space = rules.collapse_spaces;  // and so is the text's beginning
    bool started = false;
    for (size_t i = 0; i < text.size();) {
      size_t length = 0;
      int32_t node = Trie::kRoot;
      for (size_t j = i; j < text.size() && (node = taken_as_is->step(node, text[j].code)) != Trie::kNone;
           ++j) {
        if (taken_as_is->value(node) != Trie::kNone) length = j + 1 - i;
      }
      std::u32string_view result;
      if (length > 0) {
        whole.clear();
        for (size_t j = i; j < i + length; ++j) whole += text[j].code;
        result = whole;
      } else if (auto match = rules.charsmap
                                  ? rules.charsmap->find(text, i, text.size(), Charsmap::Which::longest)
                                  : std::nullopt) {
        length = match->length;
        result = match->result;
      } else {
        length = 1;
        result = std::u32string_view(&text[i].code, 1);
      }
      const uint32_t begin = text[i].begin, end = text[i + length - 1].end;
      i += length;
      // Before the text begins, what is a space and nothing else is passed over; later, spaces after a space.
      if (!started && rules.collapse_spaces && result == U" ") continue;
      if (!started && rules.dummy_prefix) out.push_back({kMetaspace, begin, begin});
      started = true;
      const bool nothing = result.empty();
      while (after_space && result.starts_with(U' ')) result.remove_prefix(1);
      for (char32_t c : result) out.push_back({c == ' ' ? kMetaspace : c, begin, end});
      if (result.empty() && !nothing && !out.empty())
        out.back().end = end;  // a space more, of the one before
      if (!result.empty()) after_space = rules.collapse_spaces && result.back() == ' ';
    }
    while (rules.collapse_spaces && !out.empty() && out.back().code == kMetaspace) out.pop_back();
    text = std::move(out);
  };
}

Normalizer precompiled_normalizer(std::shared_ptr<const Charsmap> charsmap) {
  return [charsmap = std::move(charsmap)](Text& text) {
    Text out;
    reserve_large(out, text.size());
    auto put = [&](const Charsmap::Match& match, size_t first, size_t last) {
      for (char32_t c : match.result) out.push_back({c, text[first].begin, text[last].end});
    };
    for (size_t i = 0; i < text.size();) {
      if (charsmap->surely_stays(text, i)) {
        out.push_back(text[i++]);
        continue;
      }
      const size_t end = unicode::grapheme_end(text, i);
      size_t bytes = 0;
      for (size_t j = i; j < end && bytes < 6; ++j) {
        const char32_t c = text[j].code;
        bytes += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
      }
      // As published: what the shortest match becomes replaces the whole cluster.
      auto whole = bytes < 6 ? charsmap->find(text, i, end, Charsmap::Which::shortest) : std::nullopt;
      if (whole) {
        put(*whole, i, i);
      } else {
        for (size_t j = i; j < end; ++j) {
          if (auto one = charsmap->find(text, j, j + 1, Charsmap::Which::shortest)) {
            put(*one, j, j);
          } else {
            out.push_back(text[j]);
          }
        }
      }
      i = end;
    }
    text = std::move(out);
  };
}

Splitter metaspace_splitter(char32_t replacement, Prefix prefix) {
  return [replacement, prefix](Words& w) {
    Words out;
    reserve_large(out.text, w.text.size() + w.words.size());
    reserve_large(out.words, w.text.size());
    for (Range r : w.words) {
      auto begin = static_cast<uint32_t>(out.text.size());
      for (uint32_t i = r.begin; i < r.end; ++i) {
        Char c = w.text[i];
        if (c.code == ' ') c.code = replacement;
        const bool wants = prefix == Prefix::always || (prefix == Prefix::first && c.begin == 0);
        if (i == r.begin && wants && c.code != replacement) out.text.push_back({replacement, c.begin, c.end});
        const auto here = static_cast<uint32_t>(out.text.size());
        if (c.code == replacement && here > begin) {
          out.words.push_back({begin, here});
          begin = here;
        }
        out.text.push_back(c);
      }
      out.words.push_back({begin, static_cast<uint32_t>(out.text.size())});
    }
    w = std::move(out);
  };
}

Decoder metaspace_decoder(char32_t replacement, bool prefix) {
  return [replacement, prefix](const std::vector<std::string_view>& tokens) {
    std::string text;
    for (size_t i = 0; i < tokens.size(); ++i) {
      for (char32_t c : to_utf32(tokens[i])) {
        if (c != replacement) {
          append_utf8(text, c);
        } else if (i > 0 || !prefix) {
          text += ' ';
        }
      }
    }
    return text;
  };
}

}  // namespace graft::data
