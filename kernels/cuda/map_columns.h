// Work on [rows, columns]. Neighbouring threads have neighbouring columns; where there are few, rows stand
// beside them. Where something is to be computed for a column, a thread does it once for eight rows.
#pragma once

#include "kernels/cuda/column_sums.h"

namespace graft::kernels::cuda {

// The base of an F that has nothing to compute for a column.
struct NoConstants {
  __device__ NoConstants constants(int) const { return {}; }
};
template <class F>
inline constexpr int kMapRows = std::is_base_of_v<NoConstants, F> ? 1 : 8;

// f(row, column, f.constants(column)) for each element.
template <class F>
__global__ void __launch_bounds__(kColumnThreads)
    map_elements_of_columns(const __grid_constant__ F f, int64_t rows, int cols) {
  int column = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
  if (column >= cols) return;
  auto constants = f.constants(column);
  int64_t row = int64_t{blockIdx.x} * (kMapRows<F> * blockDim.y) + threadIdx.y;
  GRAFT_UNROLL
  for (int i = 0; i < kMapRows<F>; ++i) {
    if (row < rows) f(row, column, constants);
    row += blockDim.y;
  }
}

template <class F>
void map_columns(const char* name, const F& f, int64_t rows, int64_t cols) {
  dim3 block = column_block(cols);
  int64_t rows_each = int64_t{kMapRows<F>} * block.y;
  Work work{dim3(grid_size((rows + rows_each - 1) / rows_each), grid_size((cols + block.x - 1) / block.x)),
            block};
  launch(name, map_elements_of_columns<F>, work, f, rows, to_int(cols));
}

// Row r of [N * height * width, C] is pixel (row, col) of a picture.
class Pixels {
 public:
  Pixels(int64_t height, int64_t width)
      : by_picture_(std::max<int64_t>(1, height * width)), by_row_(std::max<int64_t>(1, width)) {}

  struct Pixel {
    int picture, row, col;
  };
  __device__ Pixel operator()(int64_t r) const {
    int i = static_cast<int>(r), picture = by_picture_.quotient(i), rest = by_picture_.remainder(i, picture);
    int row = by_row_.quotient(rest);
    return {picture, row, by_row_.remainder(rest, row)};
  }

 private:
  Divisor by_picture_, by_row_;
};

// The rows of a tensor with all axes but the last, as Pixels counts them.
inline int64_t row_count(const Tensor& t) {
  return to_int(t.dim(-1) == 0 ? 0 : t.numel() / t.dim(-1));
}

}  // namespace graft::kernels::cuda
