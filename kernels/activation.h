// The activations that other kernels do on their way.
#pragma once

#include <cstdint>

#include "kernels/unary_scalar.h"

namespace graft {

// What follows an affine step: nothing, max(v, 0), or min(max(v, 0), 6).
enum class Activation : uint8_t { none, relu, relu6 };

namespace kernels {

// f(forward, backward) with the activation's formulas: forward(x), and backward(y, dy) for its gradient.
template <class F>
void with_activation(Activation act, F f) {
  switch (act) {
    case Activation::none: f(scalar::Same(), scalar::SameGrad()); return;
    case Activation::relu: f(scalar::Relu(), scalar::ReluGrad()); return;
    case Activation::relu6: f(scalar::Relu6(), scalar::Relu6Grad()); return;
  }
}

}  // namespace kernels
}  // namespace graft
