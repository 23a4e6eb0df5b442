// A set of strings that answers "which of them begin here" one character at a time, as a double array: the
// children of a node stand at its own offset plus the character's number, between those of other nodes.
// Source: Aoe, "An efficient digital search algorithm by using a double-array structure", 1989.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace graft::data {

class Trie {
 public:
  static constexpr int32_t kRoot = 0;
  static constexpr int32_t kNone = -1;

  struct Word {
    std::u32string text;
    int32_t value = 0;  // 0 or more
  };

  // Of equal words the first one stays.
  explicit Trie(std::vector<Word> words = {});

  // The node for one more character, or kNone.
  int32_t step(int32_t node, char32_t c) const {
    if (c >= numbers_.size()) return kNone;
    // A character of no word has the number 0, and no node stands at its parent's offset itself.
    const int32_t child = units_[static_cast<size_t>(node)].offset + numbers_[c];
    return units_[static_cast<size_t>(child)].parent == node ? child : kNone;
  }
  // Of the word that ends at this node, or kNone.
  int32_t value(int32_t node) const { return units_[static_cast<size_t>(node)].value; }
  bool empty() const { return numbers_.empty(); }

 private:
  struct Unit {
    int32_t offset = 0;
    int32_t parent = kNone;  // none: free
    int32_t value = kNone;
  };
  void number_characters(const std::vector<Word>& words);
  int32_t place(std::span<const int32_t> numbers);

  std::vector<int32_t> numbers_;  // by character: 1 for the one that occurs most, and so on; 0: in no word
  std::vector<Unit> units_;
  size_t first_free_ = 1;  // where place() begins to look
};

}  // namespace graft::data
