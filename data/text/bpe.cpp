#include "data/text/bpe.h"

#include <algorithm>
#include <array>
#include <map>
#include <queue>

#include "core/error.h"
#include "data/text/byte_level.h"
#include "data/text/files.h"

namespace graft::data {

namespace {

constexpr uint32_t kNoRank = UINT32_MAX;
constexpr uint32_t kEnd = UINT32_MAX;

struct Merged {
  uint32_t rank;
  int32_t id;
};
constexpr Merged kNoMerge{kNoRank, 0};

// (left id, right id) -> rank and result.
class MergeTable {
 public:
  explicit MergeTable(size_t merges) {
    size_t size = 16;
    while (size < 2 * merges) size *= 2;
    slots_.resize(size);
    mask_ = size - 1;
  }
  // False where the pair was there.
  bool insert(int32_t left, int32_t right, Merged merged) {
    Slot& slot = slots_[find(key(left, right))];
    if (slot.merged.rank != kNoRank) return false;
    slot = {key(left, right), merged};
    return true;
  }
  Merged operator()(int32_t left, int32_t right) const { return slots_[find(key(left, right))].merged; }

 private:
  struct Slot {
    uint64_t key = 0;
    Merged merged = kNoMerge;  // free
  };
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t find(uint64_t k) const {
    size_t at = static_cast<size_t>((k * 0x9E3779B97F4A7C15) >> 32) & mask_;
    while (slots_[at].merged.rank != kNoRank && slots_[at].key != k) at = (at + 1) & mask_;
    return at;
  }
  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

// A token on its way, in a list: what it would become with the next one stands with it.
struct Symbol {  // without starting values: an array for every word must cost nothing
  int32_t id;
  uint32_t next, previous;
  Merged with_next;
};

// Positions by rank, and within a rank from left to right. Most are handed in in that order, so that they
// need no sorting; the others wait in a heap.
class MergeQueue {
 public:
  void push(uint32_t rank, uint32_t position) {
    if (!last_ || last_rank_ != rank) {
      last_ = &ranks_[rank];
      last_rank_ = rank;
    }
    if (last_->in_order.empty() || last_->in_order.back() < position) {
      last_->in_order.push_back(position);
    } else {
      last_->late.push(position);
    }
  }
  // False at the end.
  bool pop(uint32_t& rank, uint32_t& position) {
    while (!ranks_.empty()) {
      auto first = ranks_.begin();
      Positions& p = first->second;
      const bool more = p.next < p.in_order.size();
      if (!more && p.late.empty()) {
        ranks_.erase(first);
        last_ = nullptr;
        continue;
      }
      rank = first->first;
      if (more && (p.late.empty() || p.in_order[p.next] < p.late.top())) {
        position = p.in_order[p.next++];
      } else {
        position = p.late.top();
        p.late.pop();
      }
      return true;
    }
    return false;
  }

 private:
  struct Positions {
    std::vector<uint32_t> in_order;
    size_t next = 0;
    std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> late;
  };
  std::map<uint32_t, Positions> ranks_;
  Positions* last_ = nullptr;  // of last_rank_
  uint32_t last_rank_ = 0;
};

class Bpe : public WordModel {
 public:
  Bpe(const Vocabulary& vocabulary, MergeTable table, const Merges& merges, const BpeOptions& options,
      int32_t unknown)
      : merges_(std::move(table)) {
    for (const auto& [left, right] : merges) note_joins(left, right);
    for (size_t b = 0; b < 256; ++b) {
      std::string token;
      append_utf8(token, char_of_byte(static_cast<uint8_t>(b)));
      inside_[b] = static_cast<int32_t>(vocabulary.id_of(token).value_or(unknown));
      last_[b] = static_cast<int32_t>(vocabulary.id_of(token + options.end_of_word).value_or(unknown));
      if (b >= 0x80 || vocabulary.id_of(token)) continue;
      joins_[b].fill(true);  // a byte without a token of its own: its neighbours may meet
      for (auto& row : joins_) row[b] = true;
    }
    if (!options.ignore_merges) return;
    std::vector<Trie::Word> words;
    for (int64_t id = 0; id < vocabulary.size(); ++id)
      words.push_back({to_utf32(vocabulary.token_of(id)), static_cast<int32_t>(id)});
    words_ = Trie(std::move(words));
  }

  void encode(std::span<const Char> word, std::vector<Token>& out) const override {
    if (!words_.empty() && whole_word(word, out)) return;
    // A long word is taken in parts where it can be: no merge reaches over a place between two ASCII
    // characters that no merge joins.
    size_t begin = 0;
    for (size_t i = 1; i < word.size() && word.size() > kShort / 4; ++i) {
      const char32_t a = word[i - 1].code, b = word[i].code;
      // The last character may have an end mark of its own.
      if (a >= 0x80 || b >= 0x80 || i + 1 == word.size() || joins_[a][b]) continue;
      encode_part(word.subspan(begin, i - begin), false, out);
      begin = i;
    }
    encode_part(word.subspan(begin), true, out);
  }

 private:
  static constexpr size_t kShort = 64;

  void encode_part(std::span<const Char> part, bool ends_word, std::vector<Token>& out) const {
    if (part.size() == 1 && part[0].code < 0x80) {
      const int32_t id = (ends_word ? last_ : inside_)[part[0].code];
      if (id >= 0) out.push_back({id, part[0].begin, part[0].end});
      return;
    }
    if (4 * part.size() <= kShort) {
      std::array<Symbol, kShort> symbols;
      std::array<uint32_t, kShort> origin;
      const size_t n = start(part, ends_word, symbols, origin);
      merge_short(std::span(symbols).first(n));
      finish(part, std::span(symbols).first(n), origin, out);
    } else {
      size_t bytes = 0;
      for (const Char& c : part) bytes += c.code < 0x80 ? 1 : c.code < 0x800 ? 2 : c.code < 0x10000 ? 3 : 4;
      std::vector<Symbol> symbols(bytes);
      std::vector<uint32_t> origin(bytes);
      const size_t n = start(part, ends_word, symbols, origin);
      merge_long(std::span(symbols).first(n));
      finish(part, std::span(symbols).first(n), origin, out);
    }
  }

  // Notes which ASCII characters stand left and right of the place that a merge closes.
  void note_joins(const std::string& left, const std::string& right) {
    const std::u32string a = to_utf32(left), b = to_utf32(right);
    if (a.empty() || b.empty()) return;
    const int last = byte_of_char(a.back()), first = byte_of_char(b.front());
    if (last >= 0 && last < 0x80 && first >= 0 && first < 0x80)
      joins_[static_cast<size_t>(last)][static_cast<size_t>(first)] = true;
  }

  bool whole_word(std::span<const Char> word, std::vector<Token>& out) const {
    int32_t node = Trie::kRoot;
    std::string bytes;
    for (const Char& c : word) {
      bytes.clear();
      append_utf8(bytes, c.code);
      for (char b : bytes) {
        node = words_.step(node, char_of_byte(static_cast<uint8_t>(b)));
        if (node == Trie::kNone) return false;
      }
    }
    if (words_.value(node) == Trie::kNone) return false;
    out.push_back({words_.value(node), word.front().begin, word.back().end});
    return true;
  }

  // A symbol for each byte that is a token; origin: the character of the word that it is of.
  size_t start(std::span<const Char> word, bool ends_word, std::span<Symbol> symbols,
               std::span<uint32_t> origin) const {
    size_t n = 0;
    std::string bytes;
    auto put = [&](uint8_t byte, size_t i, bool last) {
      const int32_t id = last ? last_[byte] : inside_[byte];
      if (id < 0) return;
      symbols[n] = {id, kEnd, n > 0 ? static_cast<uint32_t>(n - 1) : kEnd, kNoMerge};
      if (n > 0) symbols[n - 1].next = static_cast<uint32_t>(n);
      origin[n++] = static_cast<uint32_t>(i);
    };
    for (size_t i = 0; i < word.size(); ++i) {
      const bool last = ends_word && i + 1 == word.size();
      if (word[i].code < 0x80) {
        put(static_cast<uint8_t>(word[i].code), i, last);
        continue;
      }
      bytes.clear();
      append_utf8(bytes, word[i].code);
      for (size_t k = 0; k < bytes.size(); ++k)
        put(static_cast<uint8_t>(bytes[k]), i, last && k + 1 == bytes.size());
    }
    for (size_t i = 0; i + 1 < n; ++i) symbols[i].with_next = merges_(symbols[i].id, symbols[i + 1].id);
    return n;
  }

  // Merges `at` with its neighbour.
  void merge(std::span<Symbol> symbols, uint32_t at) const {
    Symbol& s = symbols[at];
    Symbol& gone = symbols[s.next];
    s.id = s.with_next.id;
    s.next = gone.next;
    gone.id = -1;
    gone.with_next = kNoMerge;
    if (s.next != kEnd) symbols[s.next].previous = at;
    s.with_next = s.next != kEnd ? merges_(s.id, symbols[s.next].id) : kNoMerge;
    if (s.previous != kEnd) symbols[s.previous].with_next = merges_(symbols[s.previous].id, s.id);
  }

  void merge_short(std::span<Symbol> symbols) const {
    for (;;) {
      uint32_t best = kEnd, rank = kNoRank;
      for (uint32_t i = 0; i < symbols.size(); i = symbols[i].next) {
        if (symbols[i].with_next.rank < rank) {
          rank = symbols[i].with_next.rank;
          best = i;
        }
      }
      if (best == kEnd) return;
      merge(symbols, best);
    }
  }

  void merge_long(std::span<Symbol> symbols) const {
    MergeQueue queue;
    auto push = [&](uint32_t at) {
      if (at != kEnd && symbols[at].with_next.rank != kNoRank) queue.push(symbols[at].with_next.rank, at);
    };
    for (uint32_t i = 0; i < symbols.size(); ++i) push(i);
    for (uint32_t rank = 0, at = 0; queue.pop(rank, at);) {
      if (symbols[at].id < 0 || symbols[at].with_next.rank != rank) continue;  // has changed since
      merge(symbols, at);
      push(symbols[at].previous);
      push(at);
    }
  }

  static void finish(std::span<const Char> word, std::span<const Symbol> symbols,
                     std::span<const uint32_t> origin, std::vector<Token>& out) {
    for (uint32_t i = 0; i < symbols.size(); i = symbols[i].next) {
      const uint32_t end = symbols[i].next == kEnd ? static_cast<uint32_t>(symbols.size()) : symbols[i].next;
      out.push_back({symbols[i].id, word[origin[i]].begin, word[origin[end - 1]].end});
    }
  }

  MergeTable merges_;
  std::array<int32_t, 256> inside_{}, last_{};        // by byte; -1: no token
  std::array<std::array<bool, 0x80>, 0x80> joins_{};  // by ASCII byte and the next one
  Trie words_;
};

}  // namespace

std::unique_ptr<WordModel> make_bpe(const Vocabulary& vocabulary, const Merges& merges,
                                    const BpeOptions& options, const std::string& where) {
  MergeTable table(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const std::string &left = merges[i].first, &right = merges[i].second;
    auto id = [&](const std::string& token, const char* what) {
      auto found = vocabulary.id_of(token);
      GRAFT_CHECK_AS(DataError, found.has_value(), where, ": merge ", i + 1, ", \"", printable(left), " ",
                     printable(right), "\": its ", what, " \"", printable(token),
                     "\" is not in the vocabulary");
      return static_cast<int32_t>(*found);
    };
    const int32_t a = id(left, "left side"), b = id(right, "right side"), ab = id(left + right, "result");
    GRAFT_CHECK_AS(DataError, table.insert(a, b, {static_cast<uint32_t>(i), ab}), where, ": merge ", i + 1,
                   ", \"", printable(left), " ", printable(right), "\", stands there twice");
  }
  int32_t unknown = -1;
  if (options.unknown) {
    auto found = vocabulary.id_of(*options.unknown);
    GRAFT_CHECK_AS(DataError, found.has_value(), where, ": the unknown token \"", printable(*options.unknown),
                   "\" is not in the vocabulary");
    unknown = static_cast<int32_t>(*found);
  }
  return std::make_unique<Bpe>(vocabulary, std::move(table), merges, options, unknown);
}

Merges read_merges(const std::string& text, const std::string& path) {
  Merges merges;
  size_t number = 0;
  for (const std::string& line : text_lines(text, path)) {
    ++number;
    if (number == 1 && line.starts_with("#version")) continue;
    const size_t space = line.find(' ');
    const bool two = space != std::string::npos && space > 0 && space + 1 < line.size() &&
                     line.find(' ', space + 1) == std::string::npos;
    GRAFT_CHECK_AS(DataError, two, path, ", line ", number, ": \"", printable(line),
                   "\" is not two tokens with a space between them");
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

}  // namespace graft::data
