// Byte-level BPE's view of text: every byte is written as one printable character, so that any text can be a
// string of tokens. Source: Radford et al., "Language models are unsupervised multitask learners", 2019, and
// the encoder.py published with it.
#pragma once

#include "data/text/pipeline.h"

namespace graft::data {

// The character that stands for a byte: itself for ! to ~, U+00A1 to U+00AC and U+00AE to U+00FF; the others
// follow each other from U+0100 on.
char32_t char_of_byte(uint8_t byte);
// The byte that a character stands for, or -1.
int byte_of_char(char32_t c);

// Cuts as GPT-2's regular expression does:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
Splitter gpt2_splitter();
// Keeps what CLIP's regular expression finds, and drops the white space between:
//   's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
Splitter clip_splitter();
// Puts a space before each word that does not begin with one.
Splitter prefix_space();

// Tokens to the bytes that they stand for; a character that stands for none is written as it is. Where
// `end_of_word` is not empty, it becomes a space, and the text loses the space at its ends.
Decoder byte_level_decoder(const std::string& end_of_word);

}  // namespace graft::data
