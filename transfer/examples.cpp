#include "transfer/examples.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"

namespace graft::transfer {
namespace {

constexpr uint64_t kSplitStream =
    0x53504C4954;  // what the random numbers are for; any constant that no other has

}  // namespace

Tensor labels(const Labelled& set, std::span<const int64_t> which) {
  Tensor out = Tensor::empty({static_cast<int64_t>(which.size())}, DType::i64);
  for (size_t i = 0; i < which.size(); ++i)
    out.data<int64_t>()[i] = set.labels.at(static_cast<size_t>(which[i]));
  return out;
}

SplitIndices split_indices(const Labelled& all, double share, uint64_t seed) {
  GRAFT_CHECK(share >= 0 && share <= 1, "split: share ", share, " is not in [0, 1]");
  std::vector<bool> first(all.labels.size(), false);
  for (size_t label = 0; label < std::max<size_t>(1, all.classes.size()); ++label) {
    std::vector<size_t> members;
    for (size_t i = 0; i < all.labels.size(); ++i) {
      if (all.labels[i] == static_cast<int64_t>(label)) members.push_back(i);
    }
    Rng(seed, kSplitStream, label).shuffle(members);
    auto take = static_cast<size_t>(std::lround(share * static_cast<double>(members.size())));
    if (members.size() >= 2 && share > 0) take = std::clamp<size_t>(take, 1, members.size() - 1);
    for (size_t i = 0; i < take; ++i) first[members[i]] = true;
  }
  SplitIndices out;
  for (size_t i = 0; i < first.size(); ++i) {
    (first[i] ? out.first : out.second).push_back(static_cast<int64_t>(i));
  }
  return out;
}

std::vector<int64_t> scoring_order(const Examples& set) {
  std::vector<int64_t> order(static_cast<size_t>(set.size()));
  std::iota(order.begin(), order.end(), 0);
  std::vector<int64_t> lengths = set.lengths();
  if (lengths.empty()) return order;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return lengths[static_cast<size_t>(a)] < lengths[static_cast<size_t>(b)];
  });
  return order;
}

}  // namespace graft::transfer
