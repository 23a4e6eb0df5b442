#include "kernels/max_pool2d.h"

#include "kernels/cuda/elements.h"
#include "kernels/cuda/map_columns.h"

namespace graft::kernels::cuda {
namespace {

struct PoolShape {
  int height, width, channels, out_height, out_width, size, stride, padding;
};

PoolShape pool_shape(const Tensor& in, const Tensor& out, int64_t size, int64_t stride, int64_t padding) {
  return {to_int(in.dim(1)),  to_int(in.dim(2)), to_int(in.dim(3)), to_int(out.dim(1)),
          to_int(out.dim(2)), to_int(size),      to_int(stride),    to_int(padding)};
}

// A thread looks at one window.
template <class T, class I>
struct PoolWindow : NoConstants {
  PoolShape s;
  Pixels pixels;  // of y
  const T* x;
  T* y;
  I* where;

  __device__ void operator()(int64_t r, int channel, NoConstants) const {
    auto pixel = pixels(r);
    int top = pixel.row * s.stride - s.padding, left = pixel.col * s.stride - s.padding;
    int y0 = max(top, 0), y1 = min(top + s.size, s.height), x0 = max(left, 0),
        x1 = min(left + s.size, s.width);
    const T* picture = x + int64_t{pixel.picture} * s.height * s.width * s.channels + channel;
    float best = -INFINITY;
    int place = (y0 - top) * s.size + (x0 - left);  // where all are -inf
    for (int i = y0; i < y1; ++i) {
      for (int j = x0; j < x1; ++j) {
        float v = to_float(picture[(int64_t{i} * s.width + j) * s.channels]);
        if (!(v > best) && v == v) continue;
        best = v;
        place = (i - top) * s.size + (j - left);
      }
    }
    int64_t at = r * s.channels + channel;
    y[at] = from_float<T>(best);
    if (where) where[at] = static_cast<I>(place);
  }
};

// A thread adds what the windows send to one pixel, row by row.
template <class T, class I>
struct PoolGather : NoConstants {
  PoolShape s;
  Pixels pixels;  // of dx
  const T* dy;
  const I* where;
  T* dx;

  // The first window of an axis that sees pixel i; it ends before the next multiple of the stride.
  __device__ int first_window(int i) const {
    int beyond = i + s.padding - s.size;  // pixels between the end of window 0 and this one
    return beyond < 0 ? 0 : beyond / s.stride + 1;
  }
  __device__ void operator()(int64_t r, int channel, NoConstants) const {
    auto pixel = pixels(r);
    int last_row = min((pixel.row + s.padding) / s.stride, s.out_height - 1);
    int last_col = min((pixel.col + s.padding) / s.stride, s.out_width - 1);
    int64_t picture = int64_t{pixel.picture} * s.out_height * s.out_width;
    float sum = 0;
    for (int i = first_window(pixel.row); i <= last_row; ++i) {
      for (int j = first_window(pixel.col); j <= last_col; ++j) {
        int64_t at = (picture + int64_t{i} * s.out_width + j) * s.channels + channel;
        int here = (pixel.row + s.padding - i * s.stride) * s.size + pixel.col + s.padding - j * s.stride;
        if (static_cast<int>(where[at]) == here) sum += to_float(dy[at]);
      }
    }
    dx[r * s.channels + channel] = from_float<T>(sum);
  }
};

// f(uint8_t{}) or f(int32_t{})
template <class F>
void with_places(const Tensor& where, F&& f) {
  if (where.defined() && where.dtype() == DType::i32) {
    f(int32_t{});
  } else {
    f(uint8_t{});
  }
}

}  // namespace

void max_pool2d(const Tensor& x, int64_t size, int64_t stride, int64_t padding, const Tensor& y,
                const Tensor& where) {
  with_storage(x.dtype(), "max_pool2d", [&](auto zero) {
    with_places(where, [&](auto place) {
      using T = decltype(zero);
      using I = decltype(place);
      PoolWindow<T, I> f{{},
                         pool_shape(x, y, size, stride, padding),
                         Pixels(y.dim(1), y.dim(2)),
                         data<T>(x),
                         data<T>(y),
                         data<I>(where)};
      map_columns("max_pool2d", f, row_count(y), y.dim(3));
    });
  });
}

void max_pool2d_grad(const Tensor& dy, const Tensor& where, int64_t size, int64_t stride, int64_t padding,
                     const Tensor& dx) {
  with_storage(dy.dtype(), "max_pool2d_grad", [&](auto zero) {
    with_places(where, [&](auto place) {
      using T = decltype(zero);
      using I = decltype(place);
      PoolGather<T, I> f{{},
                         pool_shape(dx, dy, size, stride, padding),
                         Pixels(dx.dim(1), dx.dim(2)),
                         data<T>(dy),
                         data<I>(where),
                         data<T>(dx)};
      map_columns("max_pool2d_grad", f, row_count(dx), dx.dim(3));
    });
  });
}

}  // namespace graft::kernels::cuda
