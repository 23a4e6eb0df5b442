#include "weights/names.h"

#include <algorithm>

namespace graft::weights {

bool glob_match(std::string_view pattern, std::string_view text) {
  // One star to come back to is enough: an earlier star never has to take more once a later one was reached.
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] != '*' && pattern[p] == text[t]))) {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::optional<std::string> rename(std::string_view from, std::string_view to, std::string_view text) {
  std::vector<std::string_view> pieces;  // the literal text around the stars
  for (size_t begin = 0;;) {
    size_t star = from.find('*', begin);
    pieces.push_back(from.substr(begin, star == std::string_view::npos ? star : star - begin));
    if (star == std::string_view::npos) break;
    begin = star + 1;
  }
  if (!text.starts_with(pieces[0])) return std::nullopt;
  std::vector<std::string_view> matched;
  size_t at = pieces[0].size();
  for (size_t i = 1; i < pieces.size(); ++i) {
    bool last = i + 1 == pieces.size();
    if (last && (text.size() < at + pieces[i].size() || !text.ends_with(pieces[i]))) return std::nullopt;
    size_t end = last ? text.size() - pieces[i].size() : text.find(pieces[i], at);
    if (end == std::string_view::npos) return std::nullopt;
    matched.push_back(text.substr(at, end - at));
    at = end + pieces[i].size();
  }
  if (at != text.size()) return std::nullopt;
  std::string out;
  size_t next = 0;
  for (char c : to) {
    if (c != '*') {
      out += c;
    } else if (next < matched.size()) {
      out += matched[next++];
    }
  }
  return out;
}

}  // namespace graft::weights
