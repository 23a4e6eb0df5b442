#include "data/text/added_tokens.h"

#include "data/text/unicode.h"

namespace graft::data {

AddedTokens::Finder::Finder(std::vector<Trie::Word> words) {
  std::erase_if(words, [](const Trie::Word& word) { return word.text.empty(); });
  for (const Trie::Word& word : words) {
    const char32_t first = word.text[0];
    if (first < 128) {
      first_ascii[first] = true;
    } else {
      first_other = true;
    }
  }
  trie = Trie(std::move(words));
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const std::function<void(Text&)>& normalize)
    : tokens_(std::move(tokens)) {
  std::vector<Trie::Word> raw, normalized;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& t = tokens_[i];
    Text text = to_text(t.content);
    if (t.normalized) normalize(text);
    std::u32string word;
    for (const Char& c : text) word += c.code;
    (t.normalized ? normalized : raw).push_back({std::move(word), static_cast<int32_t>(i)});
  }
  raw_ = Finder(std::move(raw));
  normalized_ = Finder(std::move(normalized));
}

std::vector<AddedTokens::Found> AddedTokens::split(const Finder& finder, const Text& text) const {
  std::vector<Found> parts;
  size_t done = 0;
  for (size_t i = 0; !finder.trie.empty() && i < text.size();) {
    Found found;
    if (finder.may_start(text[i].code)) {
      int32_t node = Trie::kRoot;
      for (size_t j = i; j < text.size() && (node = finder.trie.step(node, text[j].code)) != Trie::kNone;
           ++j) {
        if (int32_t value = finder.trie.value(node); value != Trie::kNone)
          found = {value, i, j + 1, i, j + 1};
      }
    }
    if (found.index < 0) {
      ++i;
      continue;
    }
    i = found.end;  // the next match begins here, whatever becomes of this one
    const AddedToken& token = tokens_[static_cast<size_t>(found.index)];
    bool touched = (found.begin > 0 && unicode::is_word(text[found.begin - 1].code)) ||
                   (found.end < text.size() && unicode::is_word(text[found.end].code));
    if (token.single_word && touched) continue;
    if (token.lstrip)
      while (found.begin > done && unicode::is_space(text[found.begin - 1].code)) --found.begin;
    if (token.rstrip)
      while (found.end < text.size() && unicode::is_space(text[found.end].code)) ++found.end;
    i = std::max(i, found.end);
    if (done < found.begin) parts.push_back({-1, done, found.begin, 0, 0});
    parts.push_back(found);
    done = found.end;
  }
  if (done < text.size()) parts.push_back({-1, done, text.size(), 0, 0});
  return parts;
}

void AddedTokens::scan(Text text, bool trim, const std::function<void(Text&)>& normalize,
                       const std::function<void(Token)>& token,
                       const std::function<void(Text&&)>& between) const {
  auto part_of = [](Text& from, const Found& f) {
    if (f.begin == 0 && f.end == from.size()) return std::move(from);
    // A part that is all of it is the only one. NOLINTNEXTLINE(clang-analyzer-cplusplus.Move)
    return Text(from.begin() + static_cast<int64_t>(f.begin), from.begin() + static_cast<int64_t>(f.end));
  };
  auto emit = [&](const Text& from, const Found& f) {
    token({tokens_[static_cast<size_t>(f.index)].id, from[trim ? f.token_begin : f.begin].begin,
           from[(trim ? f.token_end : f.end) - 1].end});
  };
  for (const Found& f : split(raw_, text)) {
    if (f.index >= 0) {
      emit(text, f);
      continue;
    }
    Text part = part_of(text, f);
    normalize(part);
    for (const Found& inner : split(normalized_, part)) {
      if (inner.index >= 0) {
        emit(part, inner);
      } else {
        between(part_of(part, inner));
      }
    }
  }
}

}  // namespace graft::data
