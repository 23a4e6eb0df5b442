#include "data/text/text.h"

#include "core/error.h"
#include "core/pages.h"
#include "data/text/tokenizer.h"

namespace graft::data {

Decoded decode_utf8(std::string_view bytes) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  // How many bytes follow, and what the first of them may be: Table 3-7 of The Unicode Standard.
  int follow = 0;
  unsigned char low = 0x80, high = 0xBF;
  char32_t code = 0;
  if (first >= 0xC2 && first <= 0xDF) {
    follow = 1;
    code = first & 0x1Fu;
  } else if (first >= 0xE0 && first <= 0xEF) {
    follow = 2;
    code = first & 0x0Fu;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    follow = 3;
    code = first & 0x07u;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {0xFFFD, 1, false};
  }
  for (int i = 1; i <= follow; ++i) {
    size_t at = static_cast<size_t>(i);
    if (at >= bytes.size() || byte(at) < low || byte(at) > high) return {0xFFFD, i, false};
    code = code << 6 | (byte(at) & 0x3Fu);
    low = 0x80;
    high = 0xBF;
  }
  return {code, follow + 1, true};
}

Text to_text(std::string_view utf8) {
  if (utf8.size() > size_t{1} << 31)
    fail<UsageError>("encode: a text of ", utf8.size(), " bytes; at most 2 GiB at once");
  Text text;
  reserve_large(text, utf8.size());
  for (size_t i = 0; i < utf8.size();) {
    const auto index = static_cast<uint32_t>(text.size());
    if (const auto byte = static_cast<unsigned char>(utf8[i]); byte < 0x80) {
      text.push_back({byte, index, index + 1});
      ++i;
      continue;
    }
    const Decoded d = decode_utf8(utf8.substr(i));
    text.push_back({d.code, index, index + 1});
    i += static_cast<size_t>(d.bytes);
  }
  return text;
}

std::u32string to_utf32(std::string_view utf8) {
  std::u32string out;
  for (size_t i = 0; i < utf8.size();) {
    Decoded d = decode_utf8(utf8.substr(i));
    out += d.code;
    i += static_cast<size_t>(d.bytes);
  }
  return out;
}

void append_utf8(std::string& out, char32_t code) {
  auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::string to_utf8(std::u32string_view text) {
  std::string out;
  for (char32_t c : text) append_utf8(out, c);
  return out;
}

std::string valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    Decoded d = decode_utf8(bytes.substr(i));
    append_utf8(out, d.code);
    i += static_cast<size_t>(d.bytes);
  }
  return out;
}

std::vector<int64_t> character_starts(std::string_view text) {
  std::vector<int64_t> starts;
  for (size_t i = 0; i < text.size();) {
    starts.push_back(static_cast<int64_t>(i));
    i += static_cast<size_t>(decode_utf8(text.substr(i)).bytes);
  }
  starts.push_back(static_cast<int64_t>(text.size()));
  return starts;
}

}  // namespace graft::data
