// Where samples stand in a network's feature space, seen from the side that shows most of it.
#pragma once

#include "core/tensor.h"
#include "transfer/result.h"

namespace graft::transfer {

// Principal components (Pearson, 1901): features f32 [n, F] on the CPU -> the first two coordinates of each
// row, and the share of the variance that each axis shows. The larger coordinate of an axis is positive, so
// equal features give equal maps. Fewer than three rows, or rows that are all the same, give zeros.
FeatureMap feature_map(const Tensor& features);

}  // namespace graft::transfer
