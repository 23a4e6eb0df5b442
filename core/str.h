// Text from values, free of the locale: 0.5 is "0.5" under LANG=de_DE too.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace graft {

namespace detail {

inline void append(std::string& out, std::string_view text) {
  out += text;
}
inline void append(std::string& out, const char* text) {
  out += text;
}
inline void append(std::string& out, char c) {
  out += c;
}
inline void append(std::string& out, bool b) {
  out += b ? "true" : "false";
}

template <std::integral I>
void append(std::string& out, I value) {
  char text[24];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

// The shortest digits that read back as the same value.
template <std::floating_point F>
void append(std::string& out, F value) {
  char text[64];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

// Any type with a free function to_text(value), found by argument-dependent lookup.
template <class T>
requires requires(const T& t) {
  std::string(to_text(t));
}
void append(std::string& out, const T& value) {
  out += to_text(value);
}

}  // namespace detail

template <class... Parts>
std::string str(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

// A number with a fixed count of decimals: fixed(0.9041, 3) is "0.904".
std::string fixed(double value, int decimals);

// "1.5 MiB": bytes for people.
std::string bytes_text(double bytes);

// Valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

// A string from a file made safe to print: control characters and invalid UTF-8 become \xNN, and no more than
// `limit` bytes are shown.
std::string printable(std::string_view text, size_t limit = 120);

// Well-formed UTF-8: no stray or missing continuation bytes, overlong forms or surrogates.
bool is_utf8(std::string_view text);

}  // namespace graft
