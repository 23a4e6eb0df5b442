// The memory plan: what a training will take, before its first step. A few samples go forward and backward
// as in training while the engine's own counters watch; every tensor's size is a line over the batch, so the
// plan adds up, moment by moment, what a batch of any size would hold, and its peak is the highest of them.
// What kernels take for themselves while they run grows only up to what all threads need: it counts as it was
// seen, on a quarter of the batch, or where that takes little on the batch itself.
#pragma once

#include "core/memory_trace.h"
#include "transfer/train.h"

namespace graft::transfer {

class MemoryPlanner {
 public:
  // `score(n)` scores n samples as the run will, `score_batch` is how many it scores at a time. Moves
  // nothing: statistics, the dropouts' counters and the freeze states are as before, gradients are forgotten.
  MemoryPlanner(const Task& task, const Plan& plan, const Recipe& recipe,
                const std::function<void(int64_t n)>& score, int64_t score_batch);

  // Of a batch of so many samples. `room`: bytes that tensors may take in all, with those there are.
  MemoryPlan plan(int64_t batch, int64_t room) const;
  // The largest power of two that fits, up to 256 and to the training samples; 1 where none does.
  int64_t power_that_fits(int64_t room) const;

 private:
  using Moments = std::vector<MemoryTrace::Moment>;
  // The same work at two sizes.
  struct Pair {
    int64_t small = 0, large = 0;
    Moments of_small, of_large;
    int64_t held(size_t moment, int64_t batch) const;
    int64_t scratch(size_t moment) const;
    // Of the first `moments`; 0: of all.
    size_t highest(int64_t batch, size_t moments = 0) const;
    int64_t peak(int64_t batch, size_t moments = 0) const;
    // What is still held at the end.
    int64_t left(int64_t batch) const { return held(of_small.size() - 1, batch); }
  };
  struct Run {
    Moments moments;
    int64_t kept = 0;                                   // by the forward pass, for the backward one
    size_t read_moments = 0;                            // until the batch is there
    size_t forward_moments = 0;                         // of which so many are the forward pass
    std::vector<std::pair<size_t, int64_t>> gradients;  // of parameters: before which moment, bytes
  };
  // Where a training is when it holds the most.
  enum class At { training, reading, clipping, comparing, scoring };
  Run train_on(int64_t batch) const;
  void try_sizes(int64_t small, int64_t large);
  Pair pair_of(int64_t small, int64_t large, const std::function<Moments(int64_t)>& watch) const;
  int64_t largest_batch_of(int64_t batch) const;
  int64_t peak(int64_t batch, At* at = nullptr) const;
  void add_parts_of_step(int64_t batch, MemoryPlan& plan) const;
  int64_t lasting() const { return optimizer_ + average_ + best_ + starts_; }
  int64_t left_of_graphs(int64_t batch) const;
  int64_t largest_that_fits(int64_t room) const;

  const Task& task_;
  const Plan& plan_;
  const Recipe& recipe_;
  int64_t there_ = 0;                                // held before anything was tried
  int64_t trainable_ = 0, frozen_ = 0, moving_ = 0;  // bytes
  int64_t optimizer_ = 0, average_ = 0, best_ = 0, starts_ = 0, sums_ = 0;
  int64_t compared_ = 0;  // when what moved is measured, at the end
  int64_t sample_bytes_ = 0, score_batch_ = 0;
  int64_t longest_ = 0;  // the sample that is tried
  Pair training_, scoring_;
  Run of_large_;  // of the larger batch that was tried, but for the moments
  double kept_a_sample_ = 0, kept_always_ = 0, seconds_ = 0;
};

// Throws MemoryError, with what is needed, what there is and what would fit, where the plan does not fit.
void require_room(const MemoryPlan& plan);
// "memory plan: 312.0 MiB at most with batches of 32 (weights 8.5 MiB, ...)": for people, before the first
// step.
std::string describe(const MemoryPlan& plan);

}  // namespace graft::transfer
