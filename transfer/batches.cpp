#include "transfer/batches.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"

namespace graft::transfer {
namespace {

constexpr uint64_t kOrderStream =
    0x4F52444552;  // what the random numbers are for; any constant that no other has

// Each run of `run` samples by length, the longest first.
void sort_in_runs(std::vector<int64_t>& order, std::span<const int64_t> lengths, int64_t run) {
  auto count = static_cast<int64_t>(order.size());
  for (int64_t begin = 0; begin < count; begin += run) {
    std::stable_sort(order.begin() + begin, order.begin() + std::min(count, begin + run),
                     [&](int64_t a, int64_t b) {
                       return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
                     });
  }
}

}  // namespace

std::vector<std::vector<int64_t>> batches_of(int64_t count, int64_t batch, uint64_t seed, uint64_t epoch,
                                             std::span<const int64_t> lengths) {
  GRAFT_CHECK(batch >= 1, "batches: size ", batch, " is below 1");
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  Rng random(seed, kOrderStream, epoch);
  random.shuffle(order);
  if (!lengths.empty()) sort_in_runs(order, lengths, 50 * batch);
  std::vector<std::vector<int64_t>> out;
  for (int64_t begin = 0; begin < count; begin += batch) {
    auto first = order.begin() + begin, last = order.begin() + std::min(count, begin + batch);
    if (last - first == 1 && batch > 1 && !out.empty()) {
      out.back().push_back(*first);
    } else {
      out.emplace_back(first, last);
    }
  }
  if (!lengths.empty()) random.shuffle(out);
  return out;
}

}  // namespace graft::transfer
