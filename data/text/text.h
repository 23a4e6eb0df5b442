// A text on its way to token ids: its characters, each with the part of the original that it came from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace graft::data {

struct Char {
  char32_t code = 0;
  uint32_t begin = 0, end = 0;  // [begin, end) in characters of the original
};
using Text = std::vector<Char>;

// A token and its part of the original, in characters.
struct Token {
  int64_t id = 0;
  uint32_t begin = 0, end = 0;
};

// A part of a Text.
struct Range {
  uint32_t begin = 0, end = 0;
};

// The first character of `bytes` (not empty) and its length in bytes; U+FFFD for a maximal ill-formed part
// (The Unicode Standard 15.0, section 3.9, "U+FFFD Substitution of Maximal Subparts").
struct Decoded {
  char32_t code = 0;
  int bytes = 0;
  bool valid = true;
};
Decoded decode_utf8(std::string_view bytes);

// Throws UsageError for more than 2^31 bytes.
Text to_text(std::string_view utf8);
std::u32string to_utf32(std::string_view utf8);
void append_utf8(std::string& out, char32_t code);
std::string to_utf8(std::u32string_view text);
// The same bytes with each ill-formed part replaced by U+FFFD.
std::string valid_utf8(std::string_view bytes);

}  // namespace graft::data
