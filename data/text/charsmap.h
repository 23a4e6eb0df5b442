// SentencePiece's precompiled normalisation: a double array of strings and what they become.
// Source: Kudo and Richardson, "SentencePiece", EMNLP 2018, and its file format; Aoe, "An efficient digital
// search algorithm by using a double-array structure", 1989.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/text/text.h"

namespace graft::data {

class Charsmap {
 public:
  // `blob`: the size of the array in bytes (u32), the array (u32 each), the results, each ended by a zero
  // byte. Throws DataError, beginning with `where`, where anything that can be reached lies outside, leads in
  // a circle, or is not UTF-8.
  Charsmap(std::string_view blob, const std::string& where);

  struct Match {
    size_t length = 0;  // characters
    std::u32string_view result;
  };
  // Of the strings that text[begin, end) starts with, the longest or the shortest.
  enum class Which { longest, shortest };
  std::optional<Match> find(const Text& text, size_t begin, size_t end, Which which) const {
    return surely_stays(text, begin) ? std::nullopt : look_up(text, begin, end, which);
  }

  // A quick answer for most of a text: none of the strings begins at text[i], as this is an ASCII character
  // before another or at the end, and none of them is or begins with such.
  bool surely_stays(const Text& text, size_t i) const {
    const char32_t c = text[i].code;
    return c < 0x80 && stays_[c] && (i + 1 == text.size() || text[i + 1].code < 0x80);
  }

 private:
  std::optional<Match> look_up(const Text& text, size_t begin, size_t end, Which which) const;
  std::optional<uint32_t> step(uint32_t node, uint8_t byte) const;
  void check(const std::string& where) const;
  bool stays_in_ascii(uint8_t c) const;

  std::vector<uint32_t> units_;
  std::vector<uint32_t> starts_;  // of each result in results_; by its place in the blob, kNowhere between
  std::u32string results_;        // each ended by a zero
  std::array<bool, 0x80> stays_{};
};

}  // namespace graft::data
