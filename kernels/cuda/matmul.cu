#include "kernels/matmul.h"

#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/gemm_tiers.h"

namespace graft::kernels::cuda {
namespace {

int64_t batch_of(const Tensor& t) {
  return t.shape().rank() == 3 ? t.dim(0) : 1;
}

// The first sum of ColumnSums: the column itself.
template <class T>
struct ColumnTerms {
  const T* a;
  int64_t cols;
  __device__ float center(int64_t, int) const { return 0; }
  __device__ float2 operator()(int64_t row, int column, float) const {
    return make_float2(to_float(a[row * cols + column]), 0);
  }
};

// One thread for each column.
template <class T>
__global__ void add_column_pieces(const double2* sums, ColumnPieces pieces, T* c) {
  int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= pieces.cols) return;
  double sum = 0;
  for (int p = 0; p < pieces.count; ++p) sum += sums[p * int64_t{pieces.cols} + column].x;
  c[column] = from_float<T>(static_cast<float>(sum));
}

}  // namespace

void matmul_nt(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) {
  with_storage(a.dtype(), "matmul_nt", [&](auto zero) {
    using T = decltype(zero);
    int64_t batch = batch_of(a), rows = a.dim(-2), cols = b.dim(-2), depth = a.dim(-1);
    Epilogue<T> epilogue;
    epilogue.shift = PerColumn<T>(bias);
    multiply("matmul_nt", AlongDepth<T>(data<T>(a), depth, rows, rows * depth),
             AlongDepth<T>(data<T>(b), depth, cols, cols * depth),
             Output<T>{data<T>(c), {cols}, rows * cols, epilogue}, rows, cols, depth, batch);
  });
}

void matmul_nn(const Tensor& a, const Tensor& b, const Tensor& c) {
  with_storage(a.dtype(), "matmul_nn", [&](auto zero) {
    using T = decltype(zero);
    int64_t batch = batch_of(a), rows = a.dim(-2), cols = b.dim(-1), depth = a.dim(-1);
    multiply("matmul_nn", AlongDepth<T>(data<T>(a), depth, rows, rows * depth),
             AlongLines<T>(data<T>(b), {cols}, cols, cols, cols * depth),
             Output<T>{data<T>(c), {cols}, rows * cols}, rows, cols, depth, batch);
  });
}

// The gradient of a weight has few rows and columns, and the whole batch for its depth.
void matmul_tn(const Tensor& a, const Tensor& b, const Tensor& c) {
  with_storage(a.dtype(), "matmul_tn", [&](auto zero) {
    using T = decltype(zero);
    int64_t batch = batch_of(a), rows = a.dim(-1), cols = b.dim(-1), depth = a.dim(-2);
    multiply_splitting_depth<T>("matmul_tn", AlongLines<T>(data<T>(a), {rows}, rows, rows, rows * depth),
                                AlongLines<T>(data<T>(b), {cols}, cols, cols, cols * depth), c, rows, cols,
                                depth, batch);
  });
}

void sum_rows(const Tensor& a, const Tensor& c) {
  with_storage(a.dtype(), "sum_rows", [&](auto zero) {
    using T = decltype(zero);
    ColumnPieces pieces(a.dim(0), a.dim(1));
    Tensor sums = column_sums("sum_rows", ColumnTerms<T>{data<T>(a), a.dim(1)}, pieces, a.device());
    launch("add_column_pieces", add_column_pieces<T>, one_thread_per(pieces.cols),
           static_cast<const double2*>(sums.raw()), pieces, data<T>(c));
  });
}

}  // namespace graft::kernels::cuda
