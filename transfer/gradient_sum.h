// The sum of a team's gradients, under way while backward goes on.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "autograd/var.h"
#include "transfer/team.h"

namespace graft::transfer {

// Gradients are copied into buckets of about 1 MiB, in the order in which backward finishes them, and each
// bucket's sum is started as soon as it is full, in the same order on every member. That order is the
// leader's in the first step, which sends its buckets only after backward. On an accelerator, where steps are
// recorded, they are always sent after backward, through the host's memory.
//
// A step:  for each of its batches { begin(); backward(..., leaf_done()); add(); }  then take().
class GradientSum {
 public:
  GradientSum(Team& team, const std::vector<Var>& parameters);

  // share: what this batch's gradients count in the sum; 0: nothing, not even a NaN. last: no other batch of
  // this step follows.
  void begin(double share, bool last);
  LeafDone leaf_done();
  // The gradients after backward, in the order of the parameters.
  void add(std::span<const Tensor> gradients);
  // The sums, in the order of the parameters and on their device, undefined where there was no gradient.
  // Valid until the next step begins.
  std::vector<Tensor> take();
  // Call where another set of parameters trains from now on.
  void forget();

 private:
  struct Place {
    size_t bucket = 0;
    int64_t offset = 0;
    bool used = false;     // there is a gradient, here or on another member
    bool written = false;  // by a batch of this step
    bool added = false;    // this batch's
  };
  struct Bucket {
    Tensor values;
    int64_t missing = 0;  // gradients, until the sum can start
  };
  void lay_out(std::vector<int64_t> order);
  void put(size_t index, const Tensor& gradient);

  Team& team_;
  std::vector<Var> parameters_;
  std::map<const void*, size_t> index_of_;
  std::vector<Place> places_;      // of each parameter
  std::vector<Bucket> buckets_;    // none: not laid out yet
  std::vector<int64_t> finished_;  // parameters, in the order of the first backward
  double share_ = 1;
  bool last_ = true, step_begins_ = true;
  size_t next_ = 0;  // the bucket whose sum starts next
};

}  // namespace graft::transfer
