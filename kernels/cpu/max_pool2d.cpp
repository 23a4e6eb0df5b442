#include "kernels/max_pool2d.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

namespace {

struct Geometry {
  int64_t height, width, channels, out_height, out_width, size, stride, padding;
};

Geometry geometry(const Tensor& in, const Tensor& out, int64_t size, int64_t stride, int64_t padding) {
  return {in.dim(1), in.dim(2), in.dim(3), out.dim(1), out.dim(2), size, stride, padding};
}

constexpr int kChannelsAtOnce = 64;

// One window, up to kChannelsAtOnce channels. `x` is the picture's first pixel, at the first of these
// channels.
template <class T, class I>
void pool_window(const Geometry& g, const T* x, int64_t oy, int64_t ox, int count, T* y, I* where) {
  int64_t top = oy * g.stride - g.padding, left = ox * g.stride - g.padding;
  int64_t y0 = std::max<int64_t>(top, 0), y1 = std::min(top + g.size, g.height);
  int64_t x0 = std::max<int64_t>(left, 0), x1 = std::min(left + g.size, g.width);
  T best[kChannelsAtOnce];
  int32_t place[kChannelsAtOnce];
  const T* first = x + (y0 * g.width + x0) * g.channels;
  int32_t first_place = static_cast<int32_t>((y0 - top) * g.size + (x0 - left));
  for (int c = 0; c < count; ++c) {
    best[c] = first[c];
    place[c] = first_place;
  }
  for (int64_t iy = y0; iy < y1; ++iy) {
    for (int64_t ix = x0; ix < x1; ++ix) {
      const T* in = x + (iy * g.width + ix) * g.channels;
      int32_t here = static_cast<int32_t>((iy - top) * g.size + (ix - left));
      for (int c = 0; c < count; ++c) {
        T v = in[c];
        bool take = static_cast<int>(v > best[c]) | static_cast<int>(v != v);
        best[c] = take ? v : best[c];
        place[c] = take ? here : place[c];
      }
    }
  }
  for (int c = 0; c < count; ++c) y[c] = best[c];
  if (where) {
    for (int c = 0; c < count; ++c) where[c] = static_cast<I>(place[c]);
  }
}

template <class T, class I>
void pool(const Geometry& g, int64_t pictures, const T* x, T* y, I* where) {
  parallel_for(pictures * g.out_height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* picture = x + row / g.out_height * g.height * g.width * g.channels;
      for (int64_t ox = 0; ox < g.out_width; ++ox) {
        int64_t out = (row * g.out_width + ox) * g.channels;
        for (int64_t c = 0; c < g.channels; c += kChannelsAtOnce) {
          int count = static_cast<int>(std::min<int64_t>(kChannelsAtOnce, g.channels - c));
          pool_window(g, picture + c, row % g.out_height, ox, count, y + out + c,
                      where ? where + out + c : nullptr);
        }
      }
    }
  });
}

// The windows [first, last] that see pixel i of an axis with `outputs` windows.
struct Windows {
  Windows(const Geometry& g, int64_t i, int64_t outputs)
      : first(std::max<int64_t>(0, (i + g.padding - g.size + g.stride) / g.stride)),
        last(std::min((i + g.padding) / g.stride, outputs - 1)) {
    if (i + g.padding < g.size) first = 0;  // the division above rounds towards zero
  }
  int64_t first, last;
};

template <class T, class I>
void gather_row(const Geometry& g, const T* dy, const I* where, int64_t iy, T* dx) {
  Windows rows(g, iy, g.out_height);
  for (int64_t ix = 0; ix < g.width; ++ix) {
    Windows columns(g, ix, g.out_width);
    T* __restrict out = dx + ix * g.channels;
    std::fill(out, out + g.channels, T(0));
    for (int64_t oy = rows.first; oy <= rows.last; ++oy) {
      for (int64_t ox = columns.first; ox <= columns.last; ++ox) {
        int64_t from = (oy * g.out_width + ox) * g.channels;
        int32_t here = static_cast<int32_t>((iy + g.padding - oy * g.stride) * g.size +
                                            (ix + g.padding - ox * g.stride));
        const I* chosen = where + from;
        const T* grad = dy + from;
        for (int64_t c = 0; c < g.channels; ++c)
          out[c] += static_cast<int32_t>(chosen[c]) == here ? grad[c] : T(0);
      }
    }
  }
}

template <class T, class I>
void gather(const Geometry& g, int64_t pictures, const T* dy, const I* where, T* dx) {
  parallel_for(pictures * g.height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t picture = row / g.height * g.out_height * g.out_width * g.channels;
      gather_row(g, dy + picture, where + picture, row % g.height, dx + row * g.width * g.channels);
    }
  });
}

}  // namespace

void max_pool2d(const Tensor& x, int64_t size, int64_t stride, int64_t padding, const Tensor& y,
                const Tensor& where) {
  if (y.numel() == 0) return;
  Geometry g = geometry(x, y, size, stride, padding);
  with_real(x.dtype(), "max_pool2d", [&](auto zero) {
    using T = decltype(zero);
    if (where.defined() && where.dtype() == DType::i32) {
      pool(g, x.dim(0), x.data<T>(), y.data<T>(), where.data<int32_t>());
    } else {
      pool(g, x.dim(0), x.data<T>(), y.data<T>(), where.defined() ? where.data<uint8_t>() : nullptr);
    }
  });
}

void max_pool2d_grad(const Tensor& dy, const Tensor& where, int64_t size, int64_t stride, int64_t padding,
                     const Tensor& dx) {
  if (dx.numel() == 0) return;
  Geometry g = geometry(dx, dy, size, stride, padding);
  with_real(dy.dtype(), "max_pool2d_grad", [&](auto zero) {
    using T = decltype(zero);
    if (where.dtype() == DType::i32) {
      gather(g, dx.dim(0), dy.data<T>(), where.data<int32_t>(), dx.data<T>());
    } else {
      gather(g, dx.dim(0), dy.data<T>(), where.data<uint8_t>(), dx.data<T>());
    }
  });
}

#include "kernels/cpu/level_end.h"
