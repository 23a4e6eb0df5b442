#include "core/nearest.h"

#include <algorithm>
#include <utility>

#include "core/str.h"

namespace graft {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

}  // namespace

// Optimal string alignment: the Levenshtein table with one more rule for swapped neighbours.
int edit_distance(std::string_view first, std::string_view second) {
  std::string a = lower(first), b = lower(second);
  size_t n = b.size();
  std::vector<int> before(n + 1), last(n + 1), row(n + 1);
  for (size_t j = 0; j <= n; ++j) last[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= n; ++j) {
      int replace = last[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[n];
}

std::vector<std::string> nearest(std::string_view wanted, const std::vector<std::string>& known,
                                 size_t count) {
  std::vector<std::pair<int, std::string>> found;
  for (const std::string& name : known) {
    int distance = edit_distance(wanted, name);
    size_t longer = std::max(wanted.size(), name.size()), shorter = std::min(wanted.size(), name.size());
    bool begins =
        shorter >= 2 && lower(wanted.substr(0, shorter)) == lower(std::string_view(name).substr(0, shorter));
    if (distance * 3 <= static_cast<int>(longer) || begins) found.emplace_back(distance, name);
  }
  std::stable_sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (size_t i = 0; i < found.size() && i < count; ++i) names.push_back(found[i].second);
  return names;
}

std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& known) {
  std::vector<std::string> names = nearest(wanted, known);
  if (names.empty()) return "";
  std::string text = "; did you mean " + names[0];
  for (size_t i = 1; i < names.size(); ++i) text += (i + 1 == names.size() ? " or " : ", ") + names[i];
  return text + "?";
}

}  // namespace graft
