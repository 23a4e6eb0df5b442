// The order in which the training samples are seen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace graft::transfer {

// The order of one epoch, cut into batches: a function of (count, batch, seed, epoch). A last batch of a
// single sample joins the one before it, because batch statistics of one sample say nothing.
// With `lengths`, each run of 50 batches of that order is sorted by length before it is cut, the longest
// first, and the batches come in a random order: little is padded, and an epoch is still random.
std::vector<std::vector<int64_t>> batches_of(int64_t count, int64_t batch, uint64_t seed, uint64_t epoch,
                                             std::span<const int64_t> lengths = {});

}  // namespace graft::transfer
