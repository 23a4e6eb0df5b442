// The activations that other kernels do on their way.
#pragma once

#include <cstdint>

#include "core/error.h"
#include "kernels/unary_scalar.h"

namespace graft {

// What follows an affine step: nothing, max(v, 0), min(max(v, 0), 6), or GELU by its definition and by tanh.
enum class Activation : uint8_t { none, relu, relu6, gelu, gelu_tanh };

namespace kernels {

// f(forward, backward) with the activation's formulas: forward(x), and backward(y, dy) for its gradient. GELU
// is an error: its gradient cannot be told from y.
template <class F>
void with_activation(Activation act, F f) {
  switch (act) {
    case Activation::none: f(scalar::Same(), scalar::SameGrad()); return;
    case Activation::relu: f(scalar::Relu(), scalar::ReluGrad()); return;
    case Activation::relu6: f(scalar::Relu6(), scalar::Relu6Grad()); return;
    case Activation::gelu:
    case Activation::gelu_tanh: break;
  }
  fail("GELU is not made in the same pass here; call it by itself");
}

}  // namespace kernels
}  // namespace graft
