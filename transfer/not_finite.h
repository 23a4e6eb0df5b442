// Where numbers break: the place at which a value first became infinite or NaN.
#pragma once

#include <functional>
#include <string>

#include "nn/module.h"

namespace graft::transfer {

// Of a float tensor on any device.
bool all_finite(const Tensor& tensor);

// Looks on while `forward_and_backward` runs a batch through the network once more. "; the output of
// layer1.0.conv2 is the first that is not finite", or "; the gradient breaks on its way back through
// layer1.0.bn2"; nothing where all outputs and gradients are finite.
std::string place_not_finite(nn::Module& network, const std::function<void()>& forward_and_backward);

}  // namespace graft::transfer
