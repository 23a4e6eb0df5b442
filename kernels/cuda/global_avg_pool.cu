#include "kernels/global_avg_pool.h"

#include "kernels/cuda/elements.h"
#include "kernels/cuda/map_columns.h"

namespace graft::kernels::cuda {
namespace {

// The first sum of ColumnSums: the pixels of a picture are a piece.
template <class T>
struct PixelTerms {
  const T* x;
  int64_t channels;
  __device__ float center(int64_t, int) const { return 0; }
  __device__ float2 operator()(int64_t row, int channel, float) const {
    return make_float2(to_float(x[row * channels + channel]), 0);
  }
};

// One thread per element of y.
template <class T>
__global__ void divide_sums(const double2* sums, double count, int64_t n, T* y) {
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) y[i] = from_float<T>(static_cast<float>(sums[i].x / count));
}

template <class T>
struct SpreadMean : NoConstants {
  const T* dy;
  Divisor by_picture;
  float count;
  T* dx;
  int64_t channels;
  __device__ void operator()(int64_t row, int channel, NoConstants) const {
    int64_t from = by_picture.quotient(static_cast<int>(row)) * channels + channel;
    dx[row * channels + channel] = from_float<T>(to_float(dy[from]) / count);
  }
};

}  // namespace

void global_avg_pool(const Tensor& x, const Tensor& y) {
  if (x.numel() == 0) return;
  with_storage(x.dtype(), "global_avg_pool", [&](auto zero) {
    using T = decltype(zero);
    int64_t pixels = x.dim(1) * x.dim(2);
    ColumnPieces pictures(row_count(x), x.dim(3), pixels);
    Tensor sums = column_sums("global_avg_pool", PixelTerms<T>{data<T>(x), x.dim(3)}, pictures, x.device());
    launch("divide_sums", divide_sums<T>, one_thread_per(y.numel()), static_cast<const double2*>(sums.raw()),
           static_cast<double>(pixels), y.numel(), data<T>(y));
  });
}

void global_avg_pool_grad(const Tensor& dy, const Tensor& dx) {
  if (dx.numel() == 0) return;
  with_storage(dy.dtype(), "global_avg_pool_grad", [&](auto zero) {
    using T = decltype(zero);
    int64_t pixels = dx.dim(1) * dx.dim(2);
    SpreadMean<T> f{{}, data<T>(dy), Divisor(pixels), static_cast<float>(pixels), data<T>(dx), dx.dim(3)};
    map_columns("global_avg_pool_grad", f, row_count(dx), dx.dim(3));
  });
}

}  // namespace graft::kernels::cuda
