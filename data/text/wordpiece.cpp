#include "data/text/wordpiece.h"

#include "core/error.h"
#include "core/pages.h"
#include "data/text/unicode.h"

namespace graft::data {

namespace {

class WordPiece : public WordModel {
 public:
  WordPiece(const Vocabulary& vocabulary, const WordPieceOptions& options, int64_t unknown)
      : unknown_(unknown), max_word_(static_cast<size_t>(options.max_word)) {
    const std::u32string prefix = to_utf32(options.prefix);
    std::vector<Trie::Word> first, next;
    for (int64_t id = 0; id < vocabulary.size(); ++id) {
      const std::u32string token = to_utf32(vocabulary.token_of(id));
      first.push_back({token, static_cast<int32_t>(id)});
      if (token.size() > prefix.size() && token.starts_with(prefix))
        next.push_back({token.substr(prefix.size()), static_cast<int32_t>(id)});
    }
    first_ = Trie(std::move(first));
    next_ = Trie(std::move(next));
  }

  void encode(std::span<const Char> word, std::vector<Token>& out) const override {
    const size_t before = out.size();
    bool known = word.size() <= max_word_;
    for (size_t at = 0; known && at < word.size();) {
      const Trie& trie = at == 0 ? first_ : next_;
      int32_t node = Trie::kRoot, best = Trie::kNone;
      size_t end = at;
      for (size_t i = at; i < word.size() && (node = trie.step(node, word[i].code)) != Trie::kNone; ++i) {
        if (trie.value(node) != Trie::kNone) {
          best = trie.value(node);
          end = i + 1;
        }
      }
      known = best != Trie::kNone;
      if (known) out.push_back({best, word[at].begin, word[end - 1].end});
      at = end;
    }
    if (known) return;
    out.resize(before);
    out.push_back({unknown_, word.front().begin, word.back().end});
  }

 private:
  Trie first_, next_;
  int64_t unknown_;
  size_t max_word_;
};

void clean(Text& text) {
  size_t n = 0;
  for (Char c : text) {
    if (c.code == 0 || c.code == 0xFFFD || unicode::is_control(c.code)) continue;
    if (unicode::is_space(c.code)) c.code = ' ';
    text[n++] = c;
  }
  text.resize(n);
}

void space_ideographs(Text& text) {
  size_t count = 0;
  for (const Char& c : text) count += unicode::is_ideograph(c.code);
  if (count == 0) return;
  Text out;
  out.reserve(text.size() + 2 * count);
  for (const Char& c : text) {
    const bool ideograph = unicode::is_ideograph(c.code);
    if (ideograph) out.push_back({' ', c.begin, c.end});
    out.push_back(c);
    if (ideograph) out.push_back({' ', c.begin, c.end});
  }
  text = std::move(out);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

}  // namespace

std::unique_ptr<WordModel> make_wordpiece(const Vocabulary& vocabulary, const WordPieceOptions& options,
                                          const std::string& where) {
  auto unknown = vocabulary.id_of(options.unknown);
  GRAFT_CHECK_AS(DataError, unknown.has_value(), where, ": the vocabulary has no \"",
                 printable(options.unknown), "\", which stands for what it does not know");
  return std::make_unique<WordPiece>(vocabulary, options, *unknown);
}

Decoder wordpiece_decoder(const std::string& prefix, bool cleanup) {
  return [prefix, cleanup](const std::vector<std::string_view>& tokens) {
    std::string text;
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string_view piece = tokens[i];
      std::string token;
      if (i > 0 && !prefix.empty() && piece.starts_with(prefix)) {
        piece.remove_prefix(prefix.size());
      } else if (i > 0) {
        token += ' ';
      }
      token += piece;
      if (cleanup) {
        static constexpr std::pair<const char*, const char*> rules[] = {
            {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
            {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
            {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
        for (auto [from, to] : rules) replace_all(token, from, to);
      }
      text += token;
    }
    return text;
  };
}

Normalizer bert_normalizer(const BertNormalizerOptions& options) {
  return [options](Text& text) {
    if (options.clean_text) clean(text);
    if (options.space_ideographs) space_ideographs(text);
    if (options.strip_accents) {
      unicode::nfd(text);
      std::erase_if(text, [](const Char& c) { return unicode::is_nonspacing_mark(c.code); });
    }
    if (options.lowercase) unicode::lowercase(text);
  };
}

Splitter bert_splitter() {
  return [](Words& w) {
    std::vector<Range> words;
    reserve_large(words, w.text.size());
    for (Range r : w.words) {
      uint32_t begin = r.begin;
      auto flush = [&](uint32_t end) {
        if (begin < end) words.push_back({begin, end});
      };
      for (uint32_t i = r.begin; i < r.end; ++i) {
        const char32_t c = w.text[i].code;
        const bool space = unicode::is_space(c);
        if (!space && !unicode::is_punctuation(c)) continue;
        flush(i);
        if (!space) words.push_back({i, i + 1});
        begin = i + 1;
      }
      flush(r.end);
    }
    w.words = std::move(words);
  };
}

}  // namespace graft::data
