// Max pooling. x [N, H, W, C], y [N, OH, OW, C], contiguous, f32 or f64 on the CPU, f32 or bf16 on CUDA; the
// caller allocates. A window is clipped to the picture, which is the same as padding with -inf. `where` has
// y's shape and says which place of the window, counted row by row, held the first maximum: u8 where a window
// has at most 256 places, else i32. A NaN counts as the maximum.
#pragma once

#include "kernels/dispatch.h"

namespace graft::kernels {

// Undefined `where`: not wanted.
GRAFT_KERNEL(max_pool2d,
             (const Tensor& x, int64_t size, int64_t stride, int64_t padding, const Tensor& y,
              const Tensor& where),
             (x, size, stride, padding, y, where))
// Each element of dx gathers from the windows that chose it, in a fixed order.
GRAFT_KERNEL(max_pool2d_grad,
             (const Tensor& dy, const Tensor& where, int64_t size, int64_t stride, int64_t padding,
              const Tensor& dx),
             (dy, where, size, stride, padding, dx))

}  // namespace graft::kernels
