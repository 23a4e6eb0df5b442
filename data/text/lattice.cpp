#include "data/text/lattice.h"

#include <algorithm>
#include <utility>

namespace graft::data {

// Follows the paths from all places that a piece may still begin at back to where they meet: always the one
// that is furthest by one piece.
size_t Lattice::meeting_place(size_t place) const {
  std::vector<size_t> open;  // ascending
  for (size_t p = place; p <= reach_; ++p) {
    if (p == place || nodes_[p - from_].other != kNowhere) open.push_back(p);
  }
  while (open.size() > 1) {
    const size_t begin = nodes_[open.back() - from_].other;
    open.pop_back();
    const auto at = std::lower_bound(open.begin(), open.end(), begin);
    if (at == open.end() || *at != begin) open.insert(at, begin);
  }
  return open[0];
}

void Lattice::turn_path(size_t to) {
  auto next = static_cast<uint32_t>(to);
  for (size_t place = to; place > from_;) {
    const size_t begin = std::exchange((*this)[place].other, next);
    next = static_cast<uint32_t>(place);
    place = begin;
  }
  (*this)[from_].other = next;
}

void Lattice::restart(size_t to) {
  std::copy(nodes_.begin() + static_cast<std::ptrdiff_t>(to - from_),
            nodes_.begin() + static_cast<std::ptrdiff_t>(reach_ - from_ + 1), nodes_.begin());
  nodes_[0].other = kNowhere;
  from_ = to;
  // Twice what stays: looking back then costs no more than a few steps for each place.
  patience_ = std::max(kPatience, 2 * (reach_ - from_));
}

void Lattice::grow(size_t size) {
  std::vector<Node> more(std::max(size, 2 * nodes_.size()));
  std::copy(nodes_.begin(), nodes_.end(), more.begin());
  many_ = std::move(more);
  nodes_ = many_;
}

}  // namespace graft::data
