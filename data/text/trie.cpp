#include "data/text/trie.h"

namespace graft::data {

Trie::Trie() : slots_(16), values_(1, kNone), mask_(15) {}

void Trie::grow() {
  std::vector<Slot> old = std::move(slots_);
  slots_.assign(old.size() * 2, {});
  mask_ = slots_.size() - 1;
  for (const Slot& s : old) {
    if (s.key == 0) continue;
    size_t slot = hash(s.key) & mask_;
    while (slots_[slot].key != 0) slot = (slot + 1) & mask_;
    slots_[slot] = s;
  }
}

bool Trie::insert(std::u32string_view word, int32_t value) {
  int32_t node = kRoot;
  for (char32_t c : word) {
    int32_t next = find(node, c);
    if (next == kNone) {
      if (2 * (used_ + 1) > slots_.size()) grow();
      next = static_cast<int32_t>(values_.size());
      values_.push_back(kNone);
      const uint64_t key = key_of(node, c);
      size_t slot = hash(key) & mask_;
      while (slots_[slot].key != 0) slot = (slot + 1) & mask_;
      slots_[slot] = {key, next};
      ++used_;
      if (node == kRoot && c < kFirst) {
        first_.resize(kFirst, kNone);
        first_[c] = next;
      }
    }
    node = next;
  }
  int32_t& at = values_[static_cast<size_t>(node)];
  if (at != kNone) return false;
  at = value;
  return true;
}

}  // namespace graft::data
