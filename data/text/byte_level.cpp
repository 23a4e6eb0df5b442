#include "data/text/byte_level.h"

#include <algorithm>
#include <array>

#include "core/pages.h"
#include "data/text/unicode.h"

namespace graft::data {

namespace {

constexpr bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> kCharOfByte = [] {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (int b = 0; b < 256; ++b)
    table[static_cast<size_t>(b)] = stands_for_itself(b) ? static_cast<char32_t>(b) : next++;
  return table;
}();

enum class Kind { letter, number, space, other };

Kind kind_of(char32_t c) {
  if (c < 0x80) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return Kind::letter;
    if (c >= '0' && c <= '9') return Kind::number;
    return unicode::is_space(c) ? Kind::space : Kind::other;
  }
  if (unicode::is_letter(c)) return Kind::letter;
  if (unicode::is_number(c)) return Kind::number;
  return unicode::is_space(c) ? Kind::space : Kind::other;
}

// The length of 's, 't, 're, 've, 'm, 'll or 'd at `i`, or 0.
uint32_t contraction(const Text& text, uint32_t i, uint32_t end) {
  if (text[i].code != '\'' || i + 1 >= end) return 0;
  const char32_t a = text[i + 1].code, b = i + 2 < end ? text[i + 2].code : 0;
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
  return 0;
}

uint32_t run_end(const Text& text, uint32_t i, uint32_t end) {
  const Kind kind = kind_of(text[i].code);
  while (i < end && kind_of(text[i].code) == kind) ++i;
  return i;
}

uint32_t gpt2_word_end(const Text& text, uint32_t i, uint32_t end) {
  if (uint32_t n = contraction(text, i, end)) return i + n;
  const uint32_t body = i + (text[i].code == ' ' && i + 1 < end ? 1 : 0);
  if (kind_of(text[body].code) != Kind::space) return run_end(text, body, end);
  // White space up to the end, or all but its last character, which belongs to what follows.
  const uint32_t after = run_end(text, i, end);
  return after == end || after == i + 1 ? after : after - 1;
}

}  // namespace

char32_t char_of_byte(uint8_t byte) {
  return kCharOfByte[byte];
}

int byte_of_char(char32_t c) {
  static const std::array<int16_t, 0x144> table = [] {
    std::array<int16_t, 0x144> t;
    t.fill(-1);
    for (size_t b = 0; b < 256; ++b) t[kCharOfByte[b]] = static_cast<int16_t>(b);
    return t;
  }();
  return c < table.size() ? table[c] : -1;
}

Splitter gpt2_splitter() {
  return [](Words& w) {
    std::vector<Range> words;
    reserve_large(words, w.text.size());
    for (Range r : w.words) {
      for (uint32_t i = r.begin; i < r.end;) {
        const uint32_t end = gpt2_word_end(w.text, i, r.end);
        words.push_back({i, end});
        i = end;
      }
    }
    w.words = std::move(words);
  };
}

Splitter clip_splitter() {
  return [](Words& w) {
    std::vector<Range> words;
    reserve_large(words, w.text.size());
    for (Range r : w.words) {
      for (uint32_t i = r.begin; i < r.end;) {
        const Kind kind = kind_of(w.text[i].code);
        uint32_t end = i + 1;
        if (uint32_t n = contraction(w.text, i, r.end)) {
          end = i + n;
        } else if (kind == Kind::letter || kind == Kind::other) {
          end = run_end(w.text, i, r.end);
        }
        if (kind != Kind::space) words.push_back({i, end});
        i = end;
      }
    }
    w.words = std::move(words);
  };
}

Splitter prefix_space() {
  return [](Words& w) {
    Words out;
    reserve_large(out.text, w.text.size() + w.words.size());
    for (Range r : w.words) {
      const auto begin = static_cast<uint32_t>(out.text.size());
      if (r.begin < r.end && w.text[r.begin].code != ' ')
        out.text.push_back({' ', w.text[r.begin].begin, w.text[r.begin].end});
      out.text.insert(out.text.end(), w.text.begin() + r.begin, w.text.begin() + r.end);
      out.words.push_back({begin, static_cast<uint32_t>(out.text.size())});
    }
    w = std::move(out);
  };
}

Decoder byte_level_decoder(const std::string& end_of_word) {
  return [end_of_word](const std::vector<std::string_view>& tokens) {
    std::string text, bytes;
    for (std::string_view token : tokens) {
      bytes.clear();
      bool all = true;
      for (char32_t c : to_utf32(token)) {
        const int byte = byte_of_char(c);
        all = all && byte >= 0;
        bytes += static_cast<char>(byte);
      }
      text += all ? std::string_view(bytes) : token;
    }
    if (end_of_word.empty()) return text;
    bytes = valid_utf8(text);
    text.clear();
    for (size_t at = 0; at < bytes.size();) {
      const size_t found = bytes.find(end_of_word, at);
      text.append(bytes, at, std::min(found, bytes.size()) - at);
      if (found == std::string::npos) break;
      text += ' ';
      at = found + end_of_word.size();
    }
    const std::vector<int64_t> starts = character_starts(text);
    size_t first = 0, last = starts.size() - 1;
    auto space = [&](size_t i) {
      const auto at = static_cast<size_t>(starts[i]);
      const char32_t c = decode_utf8(std::string_view(text).substr(at)).code;
      return unicode::is_space(c) || (c >= 0x1C && c <= 0x1F);  // what Python's str.strip() takes off
    };
    while (first < last && space(first)) ++first;
    while (first < last && space(last - 1)) --last;
    return text.substr(static_cast<size_t>(starts[first]), static_cast<size_t>(starts[last] - starts[first]));
  };
}

}  // namespace graft::data
