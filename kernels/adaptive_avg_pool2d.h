// The mean over each cell of a grid laid over the picture, as PyTorch's adaptive_avg_pool2d. x [N, H, W, C],
// y [N, rows, cols, C], contiguous, f32 or f64 on the CPU, f32 or bf16 on CUDA; the caller allocates.
#pragma once

#include "core/hd.h"
#include "kernels/dispatch.h"

namespace graft::kernels {

// One axis: `cells` cells over `size` pixels. Cell i holds the pixels [first(i), end(i)); neighbours share
// one where the cells do not divide the pixels, and share all where there are more cells than pixels.
struct Cells {
  int64_t size, cells;

  GRAFT_HD int64_t first(int64_t i) const { return i * size / cells; }
  GRAFT_HD int64_t end(int64_t i) const { return ((i + 1) * size + cells - 1) / cells; }
  // Pixel p is in the cells [first_with(p), end_with(p)).
  GRAFT_HD int64_t first_with(int64_t p) const { return p * cells / size; }
  GRAFT_HD int64_t end_with(int64_t p) const { return ((p + 1) * cells + size - 1) / size; }
};

GRAFT_KERNEL(adaptive_avg_pool2d, (const Tensor& x, const Tensor& y), (x, y))
// Each pixel collects dy / pixels of the cell from the cells that hold it, in their order.
GRAFT_KERNEL(adaptive_avg_pool2d_grad, (const Tensor& dy, const Tensor& dx), (dy, dx))

}  // namespace graft::kernels
