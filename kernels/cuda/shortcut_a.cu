#include "kernels/shortcut_a.h"

#include "kernels/cuda/elements.h"
#include "kernels/cuda/map_columns.h"

namespace graft::kernels::cuda {
namespace {

// Pictures [N, height, width, channels] as a thread finds a pixel of them.
struct Pictures {
  Pictures(const Tensor& t) : height(to_int(t.dim(1))), width(to_int(t.dim(2))), channels(to_int(t.dim(3))) {}
  __device__ int64_t offset(int picture, int row, int col) const {
    return ((int64_t{picture} * height + row) * width + col) * channels;
  }
  int height, width, channels;
};

template <class T>
struct TakePixel : NoConstants {
  Pixels pixels;  // of y
  Pictures from, to;
  int stride, before;
  const T* x;
  T* y;
  __device__ void operator()(int64_t r, int channel, NoConstants) const {
    auto p = pixels(r);
    int c = channel - before;
    bool inside = c >= 0 && c < from.channels;
    int64_t at = from.offset(p.picture, p.row * stride, p.col * stride) + c;
    y[r * to.channels + channel] = inside ? x[at] : from_float<T>(0);
  }
};

template <class T>
struct GivePixel : NoConstants {
  Pixels pixels;  // of dx
  Pictures from, to;
  Divisor stride;
  int before;
  const T* dy;
  T* dx;
  __device__ void operator()(int64_t r, int channel, NoConstants) const {
    auto p = pixels(r);
    int row = stride.quotient(p.row), col = stride.quotient(p.col);
    bool taken = stride.remainder(p.row, row) == 0 && stride.remainder(p.col, col) == 0;
    int64_t at = from.offset(p.picture, row, col) + before + channel;
    dx[r * to.channels + channel] = taken ? dy[at] : from_float<T>(0);
  }
};

}  // namespace

void shortcut_a(const Tensor& x, int64_t stride, int64_t before, const Tensor& y) {
  with_storage(x.dtype(), "shortcut_a", [&](auto zero) {
    using T = decltype(zero);
    TakePixel<T> f{{},
                   Pixels(y.dim(1), y.dim(2)),
                   Pictures(x),
                   Pictures(y),
                   to_int(stride),
                   to_int(before),
                   data<T>(x),
                   data<T>(y)};
    map_columns("shortcut_a", f, row_count(y), y.dim(3));
  });
}

void shortcut_a_grad(const Tensor& dy, int64_t stride, int64_t before, const Tensor& dx) {
  with_storage(dy.dtype(), "shortcut_a_grad", [&](auto zero) {
    using T = decltype(zero);
    GivePixel<T> f{{},
                   Pixels(dx.dim(1), dx.dim(2)),
                   Pictures(dy),
                   Pictures(dx),
                   Divisor(stride),
                   to_int(before),
                   data<T>(dy),
                   data<T>(dx)};
    map_columns("shortcut_a_grad", f, row_count(dx), dx.dim(3));
  });
}

}  // namespace graft::kernels::cuda
