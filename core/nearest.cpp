#include "core/nearest.h"

#include <algorithm>
#include <cstdlib>
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
int edit_distance(std::string_view first, std::string_view second, int limit) {
  if (std::abs(static_cast<int>(first.size()) - static_cast<int>(second.size())) >= limit) return limit;
  std::string a = lower(first), b = lower(second);
  size_t n = b.size();
  std::vector<int> before(n + 1), last(n + 1), row(n + 1);
  for (size_t j = 0; j <= n; ++j) last[j] = static_cast<int>(j);
  int best = 0, best_before = 0;  // of the last two rows, which every later one is made from
  for (size_t i = 1; i <= a.size() && std::min(best, best_before) < limit; ++i) {
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= n; ++j) {
      int replace = last[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    best_before = std::exchange(best, *std::min_element(row.begin(), row.end()));
    std::swap(before, last);
    std::swap(last, row);
  }
  return std::min(best, best_before) < limit ? std::min(last[n], limit) : limit;
}

std::vector<std::string> nearest(std::string_view wanted, const std::vector<std::string>& known,
                                 size_t count) {
  constexpr size_t kLongest = 256, kMost = 4096;  // a message may not cost more than the work it is about
  std::vector<std::pair<int, std::string>> found;
  if (wanted.size() > kLongest) return {};
  for (size_t k = 0; k < known.size() && k < kMost; ++k) {
    const std::string& name = known[k];
    if (name.size() > kLongest) continue;
    size_t longer = std::max(wanted.size(), name.size()), shorter = std::min(wanted.size(), name.size());
    int too_far = static_cast<int>(longer) / 3 + 1;
    int distance = edit_distance(wanted, name, too_far);
    bool begins =
        shorter >= 2 && lower(wanted.substr(0, shorter)) == lower(std::string_view(name).substr(0, shorter));
    if (distance < too_far || begins) found.emplace_back(distance, name);
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
