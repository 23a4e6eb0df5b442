// Depthwise convolution: each channel by itself. There is nothing to multiply but a few taps a value, so it
// is bound by memory, and its loops run over the channels, which lie next to each other.
//
// Level code: include between level_begin.h and level_end.h, after gemm.h.

// The first `count` lanes; the rest is zero.
template <class T>
[[gnu::always_inline]] inline Vec<T> load_some(const T* p, int64_t count) {
  if (count >= kLanes<T>) return load(p);
  T all[kLanes<T>] = {};
  for (int64_t i = 0; i < count; ++i) all[i] = p[i];
  return load(all);
}
template <class T>
[[gnu::always_inline]] inline void store_some(T* p, Vec<T> v, int64_t count) {
  if (count >= kLanes<T>) return store(p, v);
  T all[kLanes<T>];
  store(all, v);
  for (int64_t i = 0; i < count; ++i) p[i] = all[i];
}

// Weights [C, KH, KW, 1] as [taps_h * taps_w, C]: tap (i, j) is the kernel's (first_h - i * step, first_w - j
// * step), or the kernel's (i, j) where `in_order`.
template <class T>
Scratch<T> depthwise_taps(const Tensor& weight, int64_t first_h, int64_t first_w, int64_t step,
                          int64_t taps_h, int64_t taps_w, bool in_order) {
  int64_t channels = weight.dim(0), kernel_w = weight.dim(2), kernel = weight.dim(1) * kernel_w;
  Scratch<T> taps(taps_h * taps_w * channels);
  T* out = taps.get();
  for (int64_t i = 0; i < taps_h; ++i) {
    for (int64_t j = 0; j < taps_w; ++j) {
      int64_t h = in_order ? i : first_h - i * step, w = in_order ? j : first_w - j * step;
      const T* from = weight.data<T>() + h * kernel_w + w;
      for (int64_t c = 0; c < channels; ++c) *out++ = from[c * kernel];
    }
  }
  return taps;
}

// The taps [first, last) of a window that starts at pixel `start` and lie inside [0, size).
struct TapRange {
  int64_t first, last;
};
inline TapRange taps_inside(int64_t start, int64_t taps, int64_t size) {
  int64_t first = std::clamp<int64_t>(-start, 0, taps);
  return {first, std::clamp<int64_t>(size - start, first, taps)};
}

// kCount windows side by side, each with all its columns inside the picture. Neighbours share the pixels they
// look at, so a pixel and a tap are loaded once for all.
template <class T, int kTaps, int kStride, int kCount>
void depthwise_inner(const T* x, int64_t x_row, const T* taps, TapRange range, int64_t channels,
                     T* const* y) {
  constexpr int pixels = (kCount - 1) * kStride + kTaps;
  for (int64_t c = 0; c < channels; c += kLanes<T>) {
    int64_t some = channels - c;
    Vec<T> sum[kCount] = {};
    for (int64_t i = range.first; i < range.last; ++i) {
      const T *from = x + i * x_row + c, *tap = taps + i * kTaps * channels + c;
      Vec<T> pixel[pixels];
#pragma GCC unroll 16
      for (int j = 0; j < pixels; ++j) pixel[j] = load_some(from + j * channels, some);
#pragma GCC unroll 8
      for (int j = 0; j < kTaps; ++j) {
        Vec<T> weight = load_some(tap + j * channels, some);
#pragma GCC unroll 8
        for (int o = 0; o < kCount; ++o) sum[o] += weight * pixel[o * kStride + j];
      }
    }
#pragma GCC unroll 8
    for (int o = 0; o < kCount; ++o) store_some(y[o] + c, sum[o], some);
  }
}

// One window, any size, any border.
template <class T>
void depthwise_window(const WindowGrid& grid, const T* x, int64_t x_row, const T* taps, TapRange rows,
                      TapRange cols, T* y) {
  int64_t channels = grid.channels;
  for (int64_t c = 0; c < channels; c += kLanes<T>) {
    int64_t some = channels - c;
    Vec<T> sum = {};
    for (int64_t i = rows.first; i < rows.last; ++i) {
      for (int64_t j = cols.first; j < cols.last; ++j) {
        sum += load_some(taps + (i * grid.taps_w + j) * channels + c, some) *
               load_some(x + i * x_row + j * channels + c, some);
      }
    }
    store_some(y + c, sum, some);
  }
}

template <class T, int kTaps, int kStride>
void depthwise_row(const WindowGrid& grid, const T* x, const T* taps, const ResultGrid& result, T* y,
                   int64_t index, const Epilogue<T>& epilogue) {
  constexpr int count = 4;
  int64_t channels = grid.channels, x_row = grid.width * channels;
  int64_t picture = index / grid.rows, row = index % grid.rows, top = row * grid.stride + grid.top;
  TapRange rows = taps_inside(top, grid.taps_h, grid.height);
  // May lie before the picture; only taps inside of it are read.
  int64_t base = (picture * grid.height + top) * x_row;
  auto out = [&](int64_t col) { return y + result.offset(picture, row, col); };
  for (int64_t col = 0; col < grid.cols;) {
    int64_t left = col * grid.stride + grid.left;
    int64_t last = (col + count - 1) * grid.stride + grid.left + grid.taps_w;
    if constexpr (kTaps > 0) {
      if (left >= 0 && last <= grid.width && col + count <= grid.cols && rows.first < rows.last) {
        T* const to[count] = {out(col), out(col + 1), out(col + 2), out(col + 3)};
        depthwise_inner<T, kTaps, kStride, count>(x + base + left * channels, x_row, taps, rows, channels,
                                                  to);
        col += count;
        continue;
      }
    }
    TapRange cols = taps_inside(left, grid.taps_w, grid.width);
    depthwise_window<T>(grid, x + base + left * channels, x_row, taps, rows, cols, out(col));
    ++col;
  }
  if (epilogue.nothing()) return;
  for (int64_t col = 0; col < grid.cols; ++col) epilogue.apply(out(col), 0, channels);
}

// taps [taps_h * taps_w, C]; y gets one value a window and channel.
template <class T>
void depthwise_windows(const WindowGrid& grid, const T* x, const T* taps, const ResultGrid& result, T* y,
                       const Epilogue<T>& epilogue) {
  auto run = [&](auto taps_w, auto stride) {
    int64_t work = std::max<int64_t>(1, grid.cols * grid.channels * grid.taps_h * grid.taps_w);
    parallel_for(grid.pictures * grid.rows, ceil_div(65536, work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        depthwise_row<T, decltype(taps_w)::value, decltype(stride)::value>(grid, x, taps, result, y, i,
                                                                           epilogue);
      }
    });
  };
  using std::integral_constant;
  auto with_stride = [&](auto stride) {
    switch (grid.taps_w) {
      case 1: return run(integral_constant<int, 1>(), stride);
      case 2: return run(integral_constant<int, 2>(), stride);
      case 3: return run(integral_constant<int, 3>(), stride);
      case 5: return run(integral_constant<int, 5>(), stride);
      default: return run(integral_constant<int, 0>(), stride);
    }
  };
  if (grid.stride == 1) return with_stride(integral_constant<int, 1>());
  if (grid.stride == 2) return with_stride(integral_constant<int, 2>());
  run(integral_constant<int, 0>(), integral_constant<int, 0>());
}

// Adds one row of windows to dtaps [taps_h * taps_w, C], one row of the kernel at a time.
template <class T, int kTaps>
void depthwise_grad_row(const WindowGrid& grid, const T* x, const T* dy, int64_t index, T* dtaps) {
  int64_t channels = grid.channels, x_row = grid.width * channels;
  int64_t top = index % grid.rows * grid.stride + grid.top;
  TapRange rows = taps_inside(top, grid.taps_h, grid.height);
  const T* right = dy + index * grid.cols * channels;
  // Windows [inner, outer) have all their columns inside the picture.
  int64_t inner = std::clamp<int64_t>(ceil_div(std::max<int64_t>(0, -grid.left), grid.stride), 0, grid.cols);
  int64_t room = grid.width - grid.taps_w - grid.left;
  int64_t outer =
      kTaps == 0 || room < 0 ? inner : std::clamp<int64_t>(room / grid.stride + 1, inner, grid.cols);
  for (int64_t i = rows.first; i < rows.last; ++i) {
    int64_t base = (index / grid.rows * grid.height + top + i) * x_row;
    T* sums = dtaps + i * grid.taps_w * channels;
    for (int64_t c = 0; c < channels; c += kLanes<T>) {
      int64_t some = channels - c;
      if constexpr (kTaps > 0) {
        Vec<T> sum[kTaps] = {};
        for (int64_t col = inner; col < outer; ++col) {
          Vec<T> d = load_some(right + col * channels + c, some);
          const T* from = x + base + (col * grid.stride + grid.left) * channels + c;
#pragma GCC unroll 8
          for (int j = 0; j < kTaps; ++j) sum[j] += d * load_some(from + j * channels, some);
        }
#pragma GCC unroll 8
        for (int j = 0; j < kTaps; ++j) {
          T* to = sums + j * channels + c;
          store_some(to, load_some(to, some) + sum[j], some);
        }
      }
      auto border = [&](int64_t begin, int64_t end) {
        for (int64_t col = begin; col < end; ++col) {
          int64_t left = col * grid.stride + grid.left;
          TapRange cols = taps_inside(left, grid.taps_w, grid.width);
          Vec<T> d = load_some(right + col * channels + c, some);
          for (int64_t j = cols.first; j < cols.last; ++j) {
            T* to = sums + j * channels + c;
            store_some(to, load_some(to, some) + d * load_some(x + base + (left + j) * channels + c, some),
                       some);
          }
        }
      };
      border(0, inner);
      border(outer, grid.cols);
    }
  }
}

// dweight [C, taps_h, taps_w, 1]. The rows of windows are cut into parts by their number alone; the parts are
// added in order.
template <class T>
void depthwise_grad_weight(const WindowGrid& grid, const T* x, const T* dy, T* dweight) {
  int64_t rows = grid.pictures * grid.rows, taps = grid.taps_h * grid.taps_w, size = taps * grid.channels;
  int64_t parts = std::clamp<int64_t>(rows / 4, 1, kPieces), part_rows = ceil_div(rows, parts);
  Scratch<T> sums(parts * size);
  std::fill_n(sums.get(), parts * size, T(0));
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * part_rows; i < std::min(rows, end * part_rows); ++i) {
      T* to = sums.get() + i / part_rows * size;
      if (grid.taps_w == 3)
        depthwise_grad_row<T, 3>(grid, x, dy, i, to);
      else if (grid.taps_w == 5)
        depthwise_grad_row<T, 5>(grid, x, dy, i, to);
      else
        depthwise_grad_row<T, 0>(grid, x, dy, i, to);
    }
  });
  for (int64_t c = 0; c < grid.channels; ++c) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      T sum = 0;
      for (int64_t part = 0; part < parts; ++part) sum += sums.get()[part * size + tap * grid.channels + c];
      dweight[c * taps + tap] = sum;
    }
  }
}
