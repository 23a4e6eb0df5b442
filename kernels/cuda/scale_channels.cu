#include "kernels/scale_channels.h"

#include "kernels/cuda/elements.h"
#include "kernels/cuda/map_columns.h"

namespace graft::kernels::cuda {
namespace {

template <class T>
struct ScaleChannel : NoConstants {
  const T *x, *s;
  Divisor by_picture;
  T* y;
  int64_t channels;
  __device__ void operator()(int64_t row, int channel, NoConstants) const {
    int64_t factor = by_picture.quotient(static_cast<int>(row)) * channels + channel;
    y[row * channels + channel] = from_float<T>(to_float(x[row * channels + channel]) * to_float(s[factor]));
  }
};

// The first sum of ColumnSums: the pixels of a picture are a piece.
template <class T>
struct ProductTerms {
  const T *x, *dy;
  int64_t channels;
  __device__ float center(int64_t, int) const { return 0; }
  __device__ float2 operator()(int64_t row, int channel, float) const {
    int64_t i = row * channels + channel;
    return make_float2(to_float(x[i]) * to_float(dy[i]), 0);
  }
};

// One thread per element of y.
template <class T>
__global__ void take_sums(const double2* sums, int64_t n, T* y) {
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) y[i] = from_float<T>(static_cast<float>(sums[i].x));
}

}  // namespace

void scale_channels(const Tensor& x, const Tensor& s, const Tensor& y) {
  if (x.numel() == 0) return;
  with_storage(x.dtype(), "scale_channels", [&](auto zero) {
    using T = decltype(zero);
    ScaleChannel<T> f{{}, data<T>(x), data<T>(s), Divisor(x.dim(1) * x.dim(2)), data<T>(y), x.dim(3)};
    map_columns("scale_channels", f, row_count(x), x.dim(3));
  });
}

void scale_channels_grad_scale(const Tensor& x, const Tensor& dy, const Tensor& ds) {
  if (ds.numel() == 0) return;
  with_storage(x.dtype(), "scale_channels_grad_scale", [&](auto zero) {
    using T = decltype(zero);
    ColumnPieces pictures(row_count(x), x.dim(3), x.dim(1) * x.dim(2));
    ProductTerms<T> terms{data<T>(x), data<T>(dy), x.dim(3)};
    Tensor sums = column_sums("scale_channels_grad_scale", terms, pictures, x.device());
    launch("take_sums", take_sums<T>, one_thread_per(ds.numel()), static_cast<const double2*>(sums.raw()),
           ds.numel(), data<T>(ds));
  });
}

}  // namespace graft::kernels::cuda
