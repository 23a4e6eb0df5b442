// Gradient clipping by the global norm (Pascanu, Mikolov and Bengio, 2013).
#pragma once

#include <vector>

#include "autograd/var.h"

namespace graft::nn {

// The Euclidean norm of all gradients together, in double; those of parameters with requires_grad only.
// Summed in the order of the parameters: the same for any thread count.
double gradient_norm(const std::vector<Var>& parameters);

// Where that norm is above max_norm, scales all gradients by max_norm / (norm + 1e-6), as PyTorch's
// clip_grad_norm_. Returns the norm before. Throws where it is NaN or infinite: no scale could mend such
// gradients.
double clip_gradients(const std::vector<Var>& parameters, double max_norm);

}  // namespace graft::nn
