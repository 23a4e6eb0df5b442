// The sum of a team's gradients, under way while backward goes on.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "autograd/var.h"
#include "transfer/team.h"

namespace graft::transfer {

// Gradients are put into buckets of about 1 MiB, in the order in which backward finishes them, and each
// bucket's sum is started as soon as it is full, in the same order on every member. That order is the
// leader's in the first step, which sends its buckets only after backward.
//
// On an accelerator backward is only asked for here and done later, perhaps by a recording that is played.
// There each bucket has a mark in the device's work, and its sum starts behind the mark, on the device, while
// backward goes on (Team::device_sums). Without those, buckets are filled and sent after backward, through
// the host's memory.
//
// A step:  for each of its batches { begin(); backward(..., leaf_done()); backward_is_over(); add(); }
// then take().
class GradientSum {
 public:
  GradientSum(Team& team, const std::vector<Var>& parameters);

  // counts: whether this batch's gradients are a part of the sum; else they are left out, NaN or not.
  // last: no other batch of this step follows.
  void begin(bool counts, bool last);
  // For backward; empty where it is of no use. To be called within the step, where one is recorded.
  LeafDone leaf_done();
  void backward_is_over();
  // The gradients after backward, in the order of the parameters.
  void add(std::span<const Tensor> gradients);
  // The sums, in the order of the parameters and on their device, undefined where there was no gradient.
  // Valid until the next step begins.
  std::vector<Tensor> take();
  // Call where another set of parameters trains from now on, and when recordings are gone.
  void forget();

 private:
  struct Place {
    size_t bucket = 0;
    int64_t offset = 0;
    bool used = false;   // there is a gradient, here or on another member
    bool added = false;  // this batch's
  };
  struct Bucket {
    Tensor values;
    std::vector<size_t> parameters = {};
    int64_t missing = 0;                  // gradients, until the sum can start
    bool written = false;                 // by a batch of this step
    std::unique_ptr<Mark> complete = {};  // on a device
    bool marked = false;
  };
  void lay_out(const std::vector<int64_t>& order);
  void add_bucket(const std::vector<size_t>& parameters, DType type, int64_t count);
  void put(size_t index, const Tensor& gradient);
  void put_on_device(Bucket& bucket, std::span<const Tensor> gradients);
  Tensor part(size_t index) const;  // of its bucket

  Team& team_;
  DeviceSums* on_device_ = nullptr;  // null: on the CPU
  Device device_;                    // of the buckets
  std::vector<Var> parameters_;
  std::map<const void*, size_t> index_of_;
  std::vector<Place> places_;      // of each parameter
  std::vector<Bucket> buckets_;    // none: not laid out yet
  std::vector<int64_t> finished_;  // parameters, in the order of the first backward
  bool counts_ = true, last_ = true, step_begins_ = true;
  size_t next_ = 0;           // the bucket whose sum starts next
  std::vector<Tensor> held_;  // what sums under way read, and nobody else holds
};

}  // namespace graft::transfer
