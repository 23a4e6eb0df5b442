// Between the layout in which a file publishes a tensor and the engine's own. Each way undoes the other, bit
// for bit.
#pragma once

#include "core/tensor.h"
#include "nn/module.h"

namespace graft::weights {

// The shape in the file of a tensor that has this shape in the engine.
Shape published_shape(const Shape& engine, nn::Published published);
// Contiguous results; no copy where the layouts are the same.
Tensor to_engine(const Tensor& file, nn::Published published);
Tensor to_published(const Tensor& engine, nn::Published published);

}  // namespace graft::weights
