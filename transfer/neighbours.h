// The oldest classifier on frozen features: ask the nearest pictures (Cover and Hart, "Nearest neighbor
// pattern classification", 1967). Nothing is trained; the one number to choose, how many are asked, is chosen
// on the examples themselves.
#pragma once

#include "core/tensor.h"
#include "transfer/examples.h"

namespace graft::transfer {

struct Neighbours {
  int64_t k = 1;            // neighbours that vote
  double left_one_out = 0;  // the share of the examples that the others name rightly with this k
  Evaluation evaluation;    // of the test samples
};

// Each test sample gets the class that most of its k nearest examples by angle have; of classes with as many
// votes the one whose voters are nearer in sum, then the first. Of examples equally near, the earlier is
// asked. k is that of 1, 3, 5, 7, 9, 11, 15, 21, 31, 51, none larger than the smallest class, with which most
// examples are named rightly by the others; of equals the smallest. features [n, F], f32, on the CPU; row i
// is sample i. Probabilities are the softmax of the votes. Throws UsageError without examples.
Neighbours nearest_neighbours(const Tensor& features, const Labelled& examples, const Tensor& test_features,
                              const Labelled& test);

}  // namespace graft::transfer
