#include "transfer/rules.h"

#include <algorithm>
#include <numeric>
#include <regex>
#include <utility>

namespace graft::transfer {
namespace {

// The classic two-pointer match: on a mismatch the last * takes one character more.
bool glob(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// Levenshtein's distance.
size_t edits(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

bool matches(std::string_view pattern, std::string_view name) {
  if (!pattern.starts_with("re:")) return glob(pattern, name);
  try {
    return std::regex_match(std::string(name), std::regex(std::string(pattern.substr(3))));
  } catch (const std::regex_error&) {
    fail<UsageError>("rule \"", printable(pattern), "\": not a regular expression");
  }
}

std::vector<std::string> nearest(std::string_view text, const std::vector<std::string>& names, size_t count) {
  std::vector<std::pair<size_t, size_t>> order;
  for (size_t i = 0; i < names.size(); ++i) order.emplace_back(edits(text, names[i]), i);
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end());
  std::vector<std::string> out;
  for (size_t i = 0; i < count; ++i) out.push_back(names[order[i].second]);
  return out;
}

}  // namespace graft::transfer
