#include "data/text/trie.h"

#include <algorithm>

namespace graft::data {

namespace {

// How many places a search for room may look at before the next one begins further on. This keeps building
// linear, and what stays unused is little.
constexpr size_t kPatience = 1024;

// The words [begin, end) of the sorted list, which share their first `depth` characters, and their node.
struct Branch {
  size_t begin, end, depth;
  int32_t node;
};

}  // namespace

Trie::Trie(std::vector<Word> words) : units_(1) {
  std::stable_sort(words.begin(), words.end(), [](const Word& a, const Word& b) { return a.text < b.text; });
  number_characters(words);
  std::vector<Branch> branches = {{0, words.size(), 0, kRoot}}, below;
  std::vector<int32_t> numbers;
  // Level by level, so that the nodes that most words begin with stand together.
  for (size_t next = 0; next < branches.size(); ++next) {
    Branch b = branches[next];
    if (b.begin < b.end && words[b.begin].text.size() == b.depth)
      units_[static_cast<size_t>(b.node)].value = words[b.begin].value;
    while (b.begin < b.end && words[b.begin].text.size() == b.depth) ++b.begin;
    if (b.begin == b.end) continue;
    numbers.clear();
    below.clear();
    for (size_t i = b.begin; i < b.end;) {
      const char32_t c = words[i].text[b.depth];
      const size_t first = i;
      while (i < b.end && words[i].text[b.depth] == c) ++i;
      numbers.push_back(numbers_[c]);
      below.push_back({first, i, b.depth + 1, numbers_[c]});
    }
    const int32_t offset = place(numbers);
    units_[static_cast<size_t>(b.node)].offset = offset;
    for (Branch& child : below) {
      child.node += offset;
      units_[static_cast<size_t>(child.node)].parent = b.node;
      branches.push_back(child);
    }
  }
  // step() asks at any node for any character.
  int32_t offset = 0, number = 0;
  for (const Unit& unit : units_) offset = std::max(offset, unit.offset);
  for (int32_t n : numbers_) number = std::max(number, n);
  units_.resize(std::max(units_.size(), static_cast<size_t>(offset + number) + 1));
}

// The more often a character occurs, the lower its number: most children then stand close together.
void Trie::number_characters(const std::vector<Word>& words) {
  std::vector<uint32_t> count;
  for (const Word& word : words) {
    for (char32_t c : word.text) {
      if (c >= count.size()) count.resize(c + 1);
      ++count[c];
    }
  }
  std::vector<uint32_t> order;
  for (uint32_t c = 0; c < count.size(); ++c) {
    if (count[c] > 0) order.push_back(c);
  }
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return count[a] > count[b]; });
  numbers_.assign(count.size(), 0);
  for (size_t i = 0; i < order.size(); ++i) numbers_[order[i]] = static_cast<int32_t>(i) + 1;
}

// An offset, 0 or more, at which the places for all these numbers are free; the array reaches as far
// afterwards.
int32_t Trie::place(std::span<const int32_t> numbers) {
  const auto [lowest, highest] = std::minmax_element(numbers.begin(), numbers.end());
  const auto low = static_cast<size_t>(*lowest), high = static_cast<size_t>(*highest);
  auto is_free = [&](size_t at) { return at >= units_.size() || units_[at].parent == kNone; };
  while (!is_free(first_free_)) ++first_free_;
  const size_t begin = std::max(first_free_, low) - low;
  size_t offset = begin;
  while (!std::all_of(numbers.begin(), numbers.end(),
                      [&](int32_t n) { return is_free(offset + static_cast<size_t>(n)); }))
    ++offset;
  if (offset - begin > kPatience) first_free_ += offset - begin - kPatience;
  units_.resize(std::max(units_.size(), offset + high + 1));
  return static_cast<int32_t>(offset);
}

}  // namespace graft::data
