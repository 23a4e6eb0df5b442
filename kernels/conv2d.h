// Convolution of pictures [N, H, W, C] with weights [O, KH, KW, C / groups] to [N, OH, OW, O]. Contiguous
// tensors of one type, f32 or f64 on the CPU, f32 or bf16 on CUDA; the caller checks the sizes and allocates
// the results. No tensor of gathered windows is made. Sums are in the tensors' type, of bf16 in float, in an
// order that is a function of the sizes alone, and a picture's result does not depend on the others of its
// batch.
#pragma once

#include "kernels/activation.h"
#include "kernels/dispatch.h"

namespace graft {
namespace kernels {

// The same in both directions of the picture.
struct ConvWindow {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t groups = 1;
};

// What happens to a sum before it is stored: y = act(scale * sum + shift + residual), per output channel.
// Where the pictures are bf16, scale and shift may be f32.
struct ConvEpilogue {
  Tensor scale = {};                  // [O]; undefined: 1
  Tensor shift = {};                  // [O]; undefined: 0
  Tensor residual = {};               // like y; undefined: 0
  Activation act = Activation::none;  // or relu or relu6

  template <class F>
  void for_each_tensor(F f) const {
    for (const Tensor* t : {&scale, &shift, &residual}) f(*t);
  }
};

GRAFT_KERNEL(conv2d,
             (const Tensor& x, const Tensor& weight, ConvWindow window, const ConvEpilogue& epilogue,
              const Tensor& y),
             (x, weight, window, epilogue, y))
// Writes all of dx, the input pixels that no window covers included: their gradient is zero.
GRAFT_KERNEL(conv2d_grad_input, (const Tensor& dy, const Tensor& weight, ConvWindow window, const Tensor& dx),
             (dy, weight, window, dx))
GRAFT_KERNEL(conv2d_grad_weight,
             (const Tensor& x, const Tensor& dy, ConvWindow window, const Tensor& dweight),
             (x, dy, window, dweight))

}  // namespace kernels
}  // namespace graft
