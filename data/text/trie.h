// A set of strings that answers "which of them begin here" one character at a time.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace graft::data {

class Trie {
 public:
  static constexpr int32_t kRoot = 0;
  static constexpr int32_t kNone = -1;

  Trie();
  // Values are 0 or more; of two equal words the first one stays. False where the word was there.
  bool insert(std::u32string_view word, int32_t value);

  // The node for one more character, or kNone.
  int32_t step(int32_t node, char32_t c) const {
    if (node == kRoot && c < kFirst) return first_.empty() ? kNone : first_[c];
    return find(node, c);
  }
  // Of the word that ends at this node, or kNone.
  int32_t value(int32_t node) const { return values_[static_cast<size_t>(node)]; }
  bool empty() const { return values_.size() == 1; }

 private:
  static constexpr char32_t kFirst = 0x2600;  // most first characters, SentencePiece's space among them
  int32_t find(int32_t node, char32_t c) const {
    const uint64_t key = key_of(node, c);
    for (size_t slot = hash(key) & mask_;; slot = (slot + 1) & mask_) {
      if (slots_[slot].key == key) return slots_[slot].child;
      if (slots_[slot].key == 0) return kNone;
    }
  }
  struct Slot {
    uint64_t key = 0;  // 0: free
    int32_t child = 0;
  };
  static uint64_t key_of(int32_t node, char32_t c) {
    return (uint64_t{static_cast<uint32_t>(node)} + 1) << 21 | c;
  }
  // The upper bits of a product by 2^64 / golden ratio (Knuth, The Art of Computer Programming 3,
  // section 6.4).
  static size_t hash(uint64_t key) { return static_cast<size_t>((key * 0x9E3779B97F4A7C15) >> 32); }
  void grow();

  std::vector<Slot> slots_;
  std::vector<int32_t> first_;  // the root's children below kFirst
  std::vector<int32_t> values_;
  size_t mask_ = 0, used_ = 0;
};

}  // namespace graft::data
