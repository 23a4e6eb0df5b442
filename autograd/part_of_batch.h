// Batches that are parts of a larger one, each computed by another process.
#pragma once

#include <utility>

#include "core/members.h"
#include "core/tensor.h"

namespace graft {

// While one is alive, what an op takes of a batch on this thread is a part, and statistics of the batch are
// those of all parts together: as if one process had computed the whole. Gradients must be those of a loss of
// which the members' losses are parts, too, so that their sum is the whole's. The op meets the other members,
// in forward and in backward: it cannot be recorded (core/step_graph.h).
class PartOfBatch {
 public:
  // counts: false where this member has no part, and computes something only to walk through the same steps.
  // Its gradients must be 0.
  PartOfBatch(Members& members, bool counts);
  ~PartOfBatch();
  PartOfBatch(const PartOfBatch&) = delete;
  PartOfBatch& operator=(const PartOfBatch&) = delete;

  // What an op keeps of it for its backward, which may come when it is gone.
  struct Handle {
    Members* members = nullptr;  // null: a batch is a batch
    bool counts = true;
    explicit operator bool() const { return members != nullptr; }
  };
  static Handle here();

 private:
  Handle before_;
};

// Of the channels of a part with so many rows mean and biased variance -> those of the whole, in place of the
// given ones, and its rows. Means and squared deviations are combined in double, member by member, as in
// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
// (1979).
int64_t whole_statistics(const PartOfBatch::Handle& part, int64_t rows, Tensor& mean, Tensor& variance);
// The sums over all members, times `factor`, of two tensors of channels, which stay as they are.
std::pair<Tensor, Tensor> whole_sums(const PartOfBatch::Handle& part, const Tensor& a, const Tensor& b,
                                     double factor);

}  // namespace graft
