// The best way to cut a text into pieces up to each place between two characters (Viterbi's algorithm), kept
// only for the places that still matter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace graft::data {

// Of the places from `from` on, as far as a piece has reached.
class Lattice {
 public:
  static constexpr uint32_t kNowhere = UINT32_MAX;
  struct Node {
    double score;
    uint32_t other;  // where its last piece begins; in a path that was turned, where the next one ends
    int32_t id;      // of its last piece
  };

  Lattice() { few_[0] = {0, kNowhere, 0}; }
  Lattice(const Lattice&) = delete;
  Lattice& operator=(const Lattice&) = delete;

  size_t from() const { return from_; }
  size_t reach() const { return reach_; }
  Node& operator[](size_t place) { return nodes_[place - from_]; }

  Node& reach_to(size_t place) {
    if (place > reach_) {
      if (place - from_ >= nodes_.size()) grow(place - from_ + 1);
      while (reach_ < place) (*this)[++reach_] = {0, kNowhere, 0};
    }
    return (*this)[place];
  }

  // Whether shared() may be further than `from`, where all pieces that begin before `place` are in: surely
  // where no piece reaches over it, and from time to time to be looked at.
  bool may_settle(size_t place) const {
    return place > from_ && (reach_ == place || place - from_ >= patience_);
  }
  // The last place that every path goes through, now and later: what lies before it is settled.
  size_t shared(size_t place) const { return reach_ == place ? place : meeting_place(place); }
  // Makes the best path to `to` one that can be followed from `from`.
  void turn_path(size_t to);
  // Forgets what lies before `to`; its score is all that goes on.
  void restart(size_t to);

 private:
  static constexpr size_t kPatience = 32;
  size_t meeting_place(size_t place) const;
  void grow(size_t size);

  size_t from_ = 0, reach_ = 0;
  size_t patience_ = kPatience;  // how many places may gather before shared() is asked for again
  std::array<Node, 64> few_;     // enough for a word, and nothing to allocate
  std::vector<Node> many_;
  std::span<Node> nodes_ = few_;
};

}  // namespace graft::data
