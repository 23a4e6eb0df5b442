#include "kernels/adaptive_avg_pool2d.h"

#include "kernels/cuda/elements.h"
#include "kernels/cuda/map_columns.h"

namespace graft::kernels::cuda {
namespace {

// One thread per element of y.
template <class T>
struct CellMean : NoConstants {
  const T* x;
  T* y;
  Cells down, across;
  Pixels cells;
  int64_t channels;
  __device__ void operator()(int64_t row, int channel, NoConstants) const {
    auto [picture, cell_row, cell_col] = cells(row);
    int64_t top = down.first(cell_row), bottom = down.end(cell_row);
    int64_t left = across.first(cell_col), right = across.end(cell_col);
    const T* from = x + picture * down.size * across.size * channels + channel;
    float sum = 0;
    for (int64_t h = top; h < bottom; ++h) {
      for (int64_t w = left; w < right; ++w) sum += to_float(from[(h * across.size + w) * channels]);
    }
    y[row * channels + channel] = from_float<T>(sum / static_cast<float>((bottom - top) * (right - left)));
  }
};

// One thread per element of dx.
template <class T>
struct SpreadCells : NoConstants {
  const T* dy;
  T* dx;
  Cells down, across;
  Pixels pixels;
  int64_t channels;
  __device__ void operator()(int64_t row, int channel, NoConstants) const {
    auto [picture, h, w] = pixels(row);
    const T* from = dy + picture * down.cells * across.cells * channels + channel;
    float sum = 0;
    for (int64_t i = down.first_with(h); i < down.end_with(h); ++i) {
      for (int64_t j = across.first_with(w); j < across.end_with(w); ++j) {
        int64_t count = (down.end(i) - down.first(i)) * (across.end(j) - across.first(j));
        sum += to_float(from[(i * across.cells + j) * channels]) / static_cast<float>(count);
      }
    }
    dx[row * channels + channel] = from_float<T>(sum);
  }
};

}  // namespace

void adaptive_avg_pool2d(const Tensor& x, const Tensor& y) {
  if (y.numel() == 0) return;
  with_storage(x.dtype(), "adaptive_avg_pool2d", [&](auto zero) {
    using T = decltype(zero);
    CellMean<T> f{{},
                  data<T>(x),
                  data<T>(y),
                  {x.dim(1), y.dim(1)},
                  {x.dim(2), y.dim(2)},
                  Pixels(y.dim(1), y.dim(2)),
                  x.dim(3)};
    map_columns("adaptive_avg_pool2d", f, row_count(y), y.dim(3));
  });
}

void adaptive_avg_pool2d_grad(const Tensor& dy, const Tensor& dx) {
  if (dx.numel() == 0) return;
  with_storage(dy.dtype(), "adaptive_avg_pool2d_grad", [&](auto zero) {
    using T = decltype(zero);
    SpreadCells<T> f{{},
                     data<T>(dy),
                     data<T>(dx),
                     {dx.dim(1), dy.dim(1)},
                     {dx.dim(2), dy.dim(2)},
                     Pixels(dx.dim(1), dx.dim(2)),
                     dx.dim(3)};
    map_columns("adaptive_avg_pool2d_grad", f, row_count(dx), dx.dim(3));
  });
}

}  // namespace graft::kernels::cuda
