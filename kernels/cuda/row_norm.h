// The kernels of layer norm and RMS norm, which is layer norm about 0.
#pragma once

#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/rows.h"

namespace graft::kernels::cuda {

struct LayerNorm {
  static constexpr bool kCentered = true;
};
struct RmsNorm {
  static constexpr bool kCentered = false;
};

// What backward needs of a row.
struct RowStatistics {
  float* mean;  // null where the norm is about 0
  float* inverse;
};

template <class Norm>
__device__ float center_of(const RowStatistics& statistics, int64_t row) {
  return Norm::kCentered ? statistics.mean[row] : 0.0f;
}

// One team per row. bias is null where the norm is about 0.
template <class Norm, class T, class Kind>
__global__ void normalize_rows(const T* x, const float* weight, const float* bias, float eps, T* y,
                               RowStatistics statistics, int64_t rows, int cols) {
  using Team = typename Kind::Team;
  int64_t row = Team::row();
  if (row >= rows) return;
  Row<T, Kind> values(x + row * cols, cols);
  float share = 1.0f / static_cast<float>(cols), center = 0;
  if constexpr (Norm::kCentered) {
    float sum = 0;
    values.each([&](float v) { sum += v; });
    center = Team::reduce(sum, Sum()) * share;
  }
  float rest = 0, squares = 0;
  values.each([&](float v) {
    float d = v - center;
    rest += d;
    squares += d * d;
  });
  float variance = Team::reduce(squares, Sum()) * share;
  if constexpr (Norm::kCentered) {
    // What rounding left of the mean, which matters where it is much larger than the deviations.
    float shift = Team::reduce(rest, Sum()) * share;
    center += shift;
    variance = fmaxf(variance - shift * shift, 0.0f);
  }
  float inverse = 1 / sqrtf(variance + eps);
  if constexpr (Norm::kCentered) {
    values.map(
        y + row * cols, [&](float v, float w, float b) { return (v - center) * inverse * w + b; }, weight,
        bias);
  } else {
    values.map(
        y + row * cols, [&](float v, float w) { return v * inverse * w; }, weight);
  }
  if (Team::rank() != 0) return;
  if constexpr (Norm::kCentered) statistics.mean[row] = center;
  statistics.inverse[row] = inverse;
}

// One team per row: with g = dy * weight and n = (x - center) * inverse,
// dx = inverse * (g - n * mean(g * n)), and where the center is the mean also less mean(g).
template <class Norm, class T, class Kind>
__global__ void normalize_rows_grad(const T* x, const T* dy, const float* weight, RowStatistics statistics,
                                    T* dx, int64_t rows, int cols) {
  using Team = typename Kind::Team;
  int64_t row = Team::row();
  if (row >= rows) return;
  Row<T, Kind> grads(dy + row * cols, cols);
  const T* values = x + row * cols;
  float center = center_of<Norm>(statistics, row), inverse = statistics.inverse[row];
  float share = 1.0f / static_cast<float>(cols), level = 0, pull = 0;
  grads.each(
      [&](float g, float v, float w) {
        if constexpr (Norm::kCentered) level += g * w;
        pull += g * w * ((v - center) * inverse);
      },
      values, weight);
  if constexpr (Norm::kCentered) level = Team::reduce(level, Sum()) * share;
  pull = Team::reduce(pull, Sum()) * share;
  grads.map(
      dx + row * cols,
      [&](float g, float v, float w) { return inverse * (g * w - level - (v - center) * inverse * pull); },
      values, weight);
}

// dy * n and dy, for the sums over rows.
template <class Norm, class T>
struct NormParameterTerms {
  const T *x, *dy;
  RowStatistics statistics;
  int64_t cols;
  __device__ float center(int64_t, int) const { return 0; }
  __device__ float2 operator()(int64_t row, int column, float) const {
    int64_t i = row * cols + column;
    float g = to_float(dy[i]);
    return make_float2(g * ((to_float(x[i]) - center_of<Norm>(statistics, row)) * statistics.inverse[row]),
                       g);
  }
};

// One thread per column: the sums of all pieces. dbias is null where the norm is about 0.
template <class Norm>
__global__ void combine_norm_parameters(const double2* sums, ColumnPieces pieces, float* dweight,
                                        float* dbias) {
  int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= pieces.cols) return;
  double a = 0, b = 0;
  for (int p = 0; p < pieces.count; ++p) {
    double2 sum = sums[p * int64_t{pieces.cols} + column];
    a += sum.x;
    b += sum.y;
  }
  dweight[column] = static_cast<float>(a);
  if constexpr (Norm::kCentered) dbias[column] = static_cast<float>(b);
}

template <class Norm>
void normalize_rows(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                    const Tensor& y, RowStatistics statistics) {
  if (x.numel() == 0) return;
  int cols = to_int(x.dim(-1));
  int64_t rows = x.numel() / cols;
  with_storage(x.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    with_row_kind<T>(cols, {x.raw(), y.raw(), weight.raw(), bias.raw()}, [&](auto kind) {
      using Kind = decltype(kind);
      launch(op, normalize_rows<Norm, T, Kind>, Kind::Team::work(rows), data<T>(x), data<float>(weight),
             data<float>(bias), static_cast<float>(eps), data<T>(y), statistics, rows, cols);
    });
  });
}

template <class Norm>
void normalize_rows_grad(const char* op, const Tensor& x, const Tensor& dy, const Tensor& weight,
                         RowStatistics statistics, const Tensor& dx) {
  if (x.numel() == 0) return;
  int cols = to_int(x.dim(-1));
  int64_t rows = x.numel() / cols;
  with_storage(x.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    with_row_kind<T>(cols, {x.raw(), dy.raw(), weight.raw(), dx.raw()}, [&](auto kind) {
      using Kind = decltype(kind);
      launch(op, normalize_rows_grad<Norm, T, Kind>, Kind::Team::work(rows), data<T>(x), data<T>(dy),
             data<float>(weight), statistics, data<T>(dx), rows, cols);
    });
  });
}

template <class Norm>
void normalize_rows_grad_parameters(const char* op, const Tensor& x, const Tensor& dy,
                                    RowStatistics statistics, const Tensor& dweight, const Tensor& dbias) {
  int64_t cols = x.dim(-1);
  with_storage(x.dtype(), op, [&](auto zero) {
    using T = decltype(zero);
    ColumnPieces pieces(x.numel() / cols, cols);
    NormParameterTerms<Norm, T> terms{data<T>(x), data<T>(dy), statistics, cols};
    Tensor sums = column_sums(op, terms, pieces, x.device());
    launch("combine_norm_parameters", combine_norm_parameters<Norm>, one_thread_per(cols),
           static_cast<const double2*>(sums.raw()), pieces, data<float>(dweight), data<float>(dbias));
  });
}

}  // namespace graft::kernels::cuda
