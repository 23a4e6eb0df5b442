// Between the layout in which a file publishes a tensor and the engine's own. Each way undoes the other, bit
// for bit.
#pragma once

#include <functional>

#include "core/tensor.h"
#include "nn/module.h"

namespace graft::weights {

// The shape in the file of a tensor that has this shape in the engine.
Shape published_shape(const Shape& engine, nn::Published published);
// Contiguous results; no copy where the layouts are the same.
Tensor to_engine(const Tensor& file, nn::Published published);
Tensor to_published(const Tensor& engine, nn::Published published);
// Calls f(place, part) with the elements of an engine tensor that [begin, end) of one axis of its published
// form are, as views of both in one order of axes. `part` has the published shape but for that axis; a scalar
// is a row of one.
void match_part(const Tensor& engine, nn::Published published, int axis, int64_t begin, int64_t end,
                const Tensor& part, const std::function<void(const Tensor& place, const Tensor& part)>& f);

}  // namespace graft::weights
