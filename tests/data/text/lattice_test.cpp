// The lattice against all places and their pieces, which a plain vector remembers.
#include "data/text/lattice.h"

#include <random>

#include "tests/support.h"

using namespace graft;
using namespace graft::data;
using namespace graft::test;

TEST_CASE("lattice: only what every open path goes through is settled, and little is kept") {
  std::mt19937 random(7);
  constexpr size_t kPlaces = 5000, kLongest = 4;
  std::vector<size_t> begin_of(kPlaces + kLongest + 1, SIZE_MAX), settled;  // the path, from its second place
  Lattice lattice;
  size_t most = 0, kept_back = 0;
  auto settle = [&](size_t to) {
    lattice.turn_path(to);
    for (size_t place = lattice.from(); place < to;) settled.push_back(place = lattice[place].other);
    lattice.restart(to);
  };
  for (size_t i = 0; i < kPlaces; ++i) {
    if (lattice.may_settle(i)) {
      const size_t to = lattice.shared(i);
      // Followed back from each place that a piece may begin at, every path comes through `to`.
      for (size_t open = i; open <= lattice.reach(); ++open) {
        size_t place = open;
        while (place != SIZE_MAX && place > to) place = begin_of[place];
        CHECK((place == to || begin_of[open] == SIZE_MAX));
      }
      kept_back += to < i;
      settle(to);
      CHECK(lattice.from() == to);
    }
    most = std::max(most, lattice.reach() - lattice.from());
    for (size_t length = 1; length <= kLongest; ++length) {
      if (length > 1 && random() % 2 == 0) continue;
      Lattice::Node& node = lattice.reach_to(i + length);
      if (node.other != Lattice::kNowhere && random() % 3 != 0) continue;
      node = {static_cast<double>(i), static_cast<uint32_t>(i), 1};
      begin_of[i + length] = i;
    }
  }
  const size_t end = lattice.reach();
  settle(end);
  std::vector<size_t> path;
  for (size_t place = end; place > 0; place = begin_of[place]) path.push_back(place);
  CHECK(settled == std::vector<size_t>(path.rbegin(), path.rend()));
  CHECK(kept_back > 0);
  CHECK(most < 200);
}

TEST_CASE("lattice: paths that never meet are all kept") {
  // Pieces of two characters only: even and odd places have a path each.
  Lattice lattice;
  constexpr uint32_t kPlaces = 1000;
  lattice.reach_to(1) = {1, 0, 1};
  for (uint32_t i = 0; i < kPlaces; ++i) {
    if (lattice.may_settle(i)) {
      CHECK(lattice.shared(i) == 0);
      lattice.restart(0);
    }
    lattice.reach_to(i + 2) = {i + 2.0, i, 2};
  }
  for (uint32_t place = 2; place <= kPlaces; ++place) {
    CHECK(lattice[place].other == place - 2);
    CHECK(lattice[place].score == place);
  }
}
