// What the tokenizers ask of Unicode. The tables are utf8proc's (Unicode 15.0); where the reference, the
// tokenizers package, decides with older tables, unicode.cpp lists the difference, so that ids are equal.
#pragma once

#include "data/text/text.h"

namespace graft::data::unicode {

// For BERT (the reference's tables are of Unicode 8).
bool is_control(char32_t c);  // general category Cc, Cf or Co, but for tab, newline and carriage return
bool is_nonspacing_mark(char32_t c);  // Mn
bool is_punctuation(char32_t c);      // P*, and every ASCII character that is neither letter, digit nor space
bool is_ideograph(char32_t c);        // the blocks that BERT puts spaces around

// White_Space, of which U+001C..U+001F are no part.
bool is_space(char32_t c);

// For regular expressions: \p{L} and \p{N} (Unicode 14) and \w.
bool is_letter(char32_t c);
bool is_number(char32_t c);
bool is_word(char32_t c);

// Each character's own lower case: U+0130 becomes two characters, a final sigma is not looked for.
void lowercase(Text& text);

// Normal forms; every character keeps the part of the original that it came from, and one that was composed
// has that of its first part.
void nfd(Text& text);
void nfkd(Text& text);
void nfc(Text& text);
void nfkc(Text& text);

// The end of the extended grapheme cluster that starts at `begin`.
size_t grapheme_end(const Text& text, size_t begin);

}  // namespace graft::data::unicode
