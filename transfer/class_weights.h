// Rare classes count as much as frequent ones: weights for the loss.
#pragma once

#include <string>

#include "core/tensor.h"
#include "transfer/examples.h"
#include "transfer/recipe.h"

namespace graft::transfer {

// With class_weights=auto, [classes]: n / (classes n_c), where n_c of the n training samples
// are of class c, so that each class has the same share of the loss (scikit-learn's "balanced"; King and
// Zeng, 2001). A class without samples gets 0. Undefined with class_weights=none.
Tensor class_weights_of(const Recipe& recipe, const Labelled& training, DType dtype = DType::f64,
                        Device device = kCpu);

// "class weights: daisy 0.83, rose 1.25": for a run's notes. Of many classes only the extremes.
std::string describe_class_weights(const Tensor& weights, const Labelled& training);

}  // namespace graft::transfer
