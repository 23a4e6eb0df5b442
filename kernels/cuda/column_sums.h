// Two sums over the rows of [rows, columns] at once, column by column: each block sums a piece of the rows
// for up to 32 columns, and the caller combines the pieces in their order. Sums are double, of floats that
// were added eight at a time; the pieces are a function of the sizes alone.
#pragma once

#include <algorithm>
#include <bit>

#include "kernels/cuda/divisor.h"
#include "kernels/cuda/launch.h"

namespace graft::kernels::cuda {

inline constexpr int kColumnThreads = 256;

// Where threads are to columns: x is one of up to 32 columns, y one of the rows beside it.
inline dim3 column_block(int64_t cols) {
  unsigned across = cols >= 32 ? 32 : std::bit_ceil(static_cast<unsigned>(std::max<int64_t>(cols, 1)));
  return {across, kColumnThreads / across};
}

struct ColumnPieces {
  ColumnPieces(int64_t rows_, int64_t cols_)
      : ColumnPieces(rows_, cols_, std::max<int64_t>(1024, (rows_ + 255) / 256)) {}
  ColumnPieces(int64_t rows_, int64_t cols_, int64_t rows_of_a_piece)
      : rows(rows_),
        cols(to_int(cols_)),
        rows_each(rows_of_a_piece),
        count(to_int((rows_ + rows_each - 1) / rows_each)) {}

  Work work() const {
    dim3 block = column_block(cols);
    return {dim3(grid_size(count), (static_cast<unsigned>(cols) + block.x - 1) / block.x), block};
  }
  __device__ int64_t size_of_piece(int piece) const {
    int64_t left = rows - piece * rows_each;
    return left < rows_each ? left : rows_each;
  }

  int64_t rows;
  int cols;
  int64_t rows_each;
  int count;
};

struct ColumnSums {
  double a[kColumnThreads], b[kColumnThreads];
};

// sums[piece, column] = the two sums of terms(row, column, center), where center is terms.center(first row of
// the piece, column).
template <class Terms>
__global__ void __launch_bounds__(kColumnThreads)
    sum_column_pieces(const __grid_constant__ Terms terms, ColumnPieces pieces, double2* sums) {
  ColumnSums& all = shared<ColumnSums>();
  int column = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
  int64_t first = blockIdx.x * pieces.rows_each,
          end = first + pieces.size_of_piece(static_cast<int>(blockIdx.x));
  int64_t step = blockDim.y;
  double a = 0, b = 0;
  if (column < pieces.cols) {
    float center = terms.center(first, column);
    int64_t row = first + threadIdx.y;
    for (; row + 7 * step < end; row += 8 * step) {
      float2 sum = make_float2(0, 0);
      GRAFT_UNROLL
      for (int i = 0; i < 8; ++i) {
        float2 term = terms(row + i * step, column, center);
        sum.x += term.x;
        sum.y += term.y;
      }
      a += sum.x;
      b += sum.y;
    }
    for (; row < end; row += step) {
      float2 term = terms(row, column, center);
      a += term.x;
      b += term.y;
    }
  }
  int at = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  all.a[at] = a;
  all.b[at] = b;
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();  // the rows that are added now are written
    if (threadIdx.y >= half) continue;
    all.a[at] += all.a[at + half * blockDim.x];
    all.b[at] += all.b[at + half * blockDim.x];
  }
  if (threadIdx.y == 0 && column < pieces.cols) {
    sums[blockIdx.x * int64_t{pieces.cols} + column] = make_double2(all.a[at], all.b[at]);
  }
}

// The sums of all pieces, a [pieces, columns] of pairs of doubles.
template <class Terms>
Tensor column_sums(const char* name, const Terms& terms, const ColumnPieces& pieces, Device device) {
  Tensor sums = Tensor::empty({pieces.count, pieces.cols, 2}, DType::f64, device);
  launch(name, sum_column_pieces<Terms>, pieces.work(), terms, pieces, static_cast<double2*>(sums.raw()));
  return sums;
}

}  // namespace graft::kernels::cuda
