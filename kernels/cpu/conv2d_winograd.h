// 3 x 3 convolution at stride 1 with 16 multiplications for 2 x 2 results instead of 36: F(2x2, 3x3) of Lavin
// and Gray, "Fast algorithms for convolutional neural networks", 2016. Kernel, 4 x 4 pieces of the picture
// and result are transformed by additions; in between stand 16 matrix products over the channels. The larger
// F(4x4, 3x3) would lose digits; this does not.
//
// Level code: include between level_begin.h and level_end.h, after gemm.h and conv2d_depthwise.h
// (store_some).

// By the sizes of one picture alone: the batch must not decide on the arithmetic. Small pictures do not pay
// for the transformed kernel, which is 16 / 9 as large.
inline bool winograd_fits(const WindowGrid& grid, int64_t outputs) {
  return grid.taps_h == 3 && grid.taps_w == 3 && grid.stride == 1 && grid.rows >= 14 && grid.cols >= 14 &&
         grid.channels >= 32 && grid.channels % 16 == 0 && outputs >= 32;
}

// G g G^T for `count` consecutive values: nine taps, `count` apart, to sixteen, `count` apart.
template <class T>
void winograd_kernel(const T* taps, int64_t count, T* out) {
  auto line = [](Vec<T> a, Vec<T> b, Vec<T> c, Vec<T> * to) __attribute__((always_inline)) {
    Vec<T> outer = (a + c) * T(0.5), half = b * T(0.5);
    to[0] = a;
    to[1] = outer + half;
    to[2] = outer - half;
    to[3] = c;
  };
  for (int64_t i = 0; i < count; i += kLanes<T>) {
    Vec<T> rows[3][4], turned[4];
#pragma GCC unroll 3
    for (int r = 0; r < 3; ++r) {
      const T* from = taps + 3 * r * count + i;
      line(load(from), load(from + count), load(from + 2 * count), rows[r]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      line(rows[0][c], rows[1][c], rows[2][c], turned);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) store(out + (4 * r + c) * count + i, turned[r]);
    }
  }
}

// B^T d B of the 4 x 4 pixels from (top, left) on, channels [c0, c1); the sixteen results lie `step` apart.
template <class T>
void winograd_input(const WindowGrid& grid, const T* picture, int64_t top, int64_t left, int64_t c0,
                    int64_t c1, T* out, int64_t step) {
  const T* pixel[16];
  for (int64_t i = 0; i < 16; ++i) {
    int64_t h = top + i / 4, w = left + i % 4;
    bool inside = h >= 0 && h < grid.height && w >= 0 && w < grid.width;
    pixel[i] = inside ? picture + (h * grid.width + w) * grid.channels : nullptr;
  }
  for (int64_t c = c0; c < c1; c += kLanes<T>, out += kLanes<T>) {
    Vec<T> d[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) d[i] = pixel[i] ? load(pixel[i] + c) : Vec<T>{};
    auto line = [&](int at, int by) __attribute__((always_inline)) {
      Vec<T> p = d[at], q = d[at + by], r = d[at + 2 * by], s = d[at + 3 * by];
      d[at] = p - r;
      d[at + by] = q + r;
      d[at + 2 * by] = r - q;
      d[at + 3 * by] = q - s;
    };
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) line(i, 4);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) line(4 * i, 1);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) store(out + i * step, d[i]);
  }
}

// A^T m A: the sixteen products, `step` apart, to 2 x 2 results. A null place lies outside of the result.
template <class T>
void winograd_output(const T* products, int64_t step, int64_t width, T* const* to) {
  for (int64_t j = 0; j < width; j += kLanes<T>) {
    Vec<T> rows[2][4];
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const T* from = products + c * step + j;
      Vec<T> m0 = load(from), m1 = load(from + 4 * step), m2 = load(from + 8 * step),
             m3 = load(from + 12 * step);
      rows[0][c] = m0 + m1 + m2;
      rows[1][c] = m1 - m2 - m3;
    }
#pragma GCC unroll 2
    for (int r = 0; r < 2; ++r) {
      const Vec<T>* m = rows[r];
      if (to[2 * r]) store_some(to[2 * r] + j, m[0] + m[1] + m[2], width - j);
      if (to[2 * r + 1]) store_some(to[2 * r + 1] + j, m[1] - m[2] - m[3], width - j);
    }
  }
}

// The windows of `grid` times weights; b.pack as in multiply_rows, with the sum over taps and then channels.
// y [pictures, rows, cols, outputs].
template <class T, class PackedB>
void winograd_windows(const WindowGrid& grid, const T* x, const PackedB& b, int64_t outputs, T* y,
                      const Epilogue<T>& epilogue) {
  constexpr int64_t tile_cols = kTileCols<T>, stride = kBlockStride<T>;
  int64_t channels = grid.channels, panels = ceil_div(outputs, tile_cols), panel_size = channels * tile_cols;
  Scratch<T> kernel(panels * 16 * panel_size);
  parallel_for(panels, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> taps(9 * panel_size);
    for (int64_t p = begin; p < end; ++p) {
      int64_t width = std::min(tile_cols, outputs - p * tile_cols), count = channels * panel_step<T>(width);
      for (int64_t t = 0; t < 9; ++t) {
        b.pack(t * channels, (t + 1) * channels, p * tile_cols, width, taps.get() + t * count);
      }
      winograd_kernel<T>(taps.get(), count, kernel.get() + p * 16 * panel_size);
    }
  });

  int64_t quads_h = ceil_div(grid.rows, 2), quads_w = ceil_div(grid.cols, 2),
          quads = grid.pictures * quads_h * quads_w;
  // The transformed pieces of the picture should stay in the L2 cache: 16 x 7168 floats are 450 KiB.
  int64_t piece = std::clamp<int64_t>(7168 / channels, kTileRows, 112) / kTileRows * kTileRows;
  // As many pieces for one thread as for the others, where they are few. A result is the same whatever the
  // cut.
  int64_t pieces = ceil_div(quads, piece);
  if (pieces < 8 * threads())
    piece = std::max<int64_t>(1, ceil_div(quads, ceil_div(pieces, threads()) * threads()));
  int64_t steps = ceil_div(channels, kBlock);
  parallel_for(quads, piece, [&](int64_t begin, int64_t end) {
    int64_t count = end - begin;
    Scratch<T> input(steps * 16 * piece * stride), products(piece * 16 * tile_cols);
    Scratch<T*> to(16 * piece);
    for (int64_t i = 0; i < count; ++i) {
      int64_t quad = begin + i, col = quad % quads_w, row = quad / quads_w % quads_h,
              picture = quad / quads_w / quads_h;
      for (int64_t s = 0; s < steps; ++s) {
        winograd_input<T>(grid, x + picture * grid.height * grid.width * channels, 2 * row + grid.top,
                          2 * col + grid.left, s * kBlock, std::min(channels, (s + 1) * kBlock),
                          input.get() + (s * 16 * piece + i) * stride, piece * stride);
      }
      for (int64_t e = 0; e < 16; ++e) to.get()[e * piece + i] = products.get() + (i * 16 + e) * tile_cols;
    }
    for (int64_t p = 0; p < panels; ++p) {
      int64_t width = std::min(tile_cols, outputs - p * tile_cols), step = panel_step<T>(width);
      for (int64_t e = 0; e < 16; ++e) {
        const T* right = kernel.get() + p * 16 * panel_size + e * channels * step;
        for (int64_t s = 0; s < steps; ++s) {
          for_each_tile(count, [&](int64_t first, int64_t height) {
            tile_of<T, true>(height, step)(std::min(kBlock, channels - s * kBlock),
                                           input.get() + ((s * 16 + e) * piece + first) * stride,
                                           right + s * kBlock * step, step, to.get() + e * piece + first, 0,
                                           step, s > 0, {});
          });
        }
      }
      for (int64_t i = 0; i < count; ++i) {
        int64_t quad = begin + i, col = quad % quads_w * 2, row = quad / quads_w % quads_h * 2;
        T* out = y + ((quad / quads_w / quads_h * grid.rows + row) * grid.cols + col) * outputs;
        T* place[4];
        for (int64_t q = 0; q < 4; ++q) {
          bool inside = row + q / 2 < grid.rows && col + q % 2 < grid.cols;
          place[q] = inside ? out + (q / 2 * grid.cols + q % 2) * outputs + p * tile_cols : nullptr;
        }
        winograd_output<T>(products.get() + i * 16 * tile_cols, tile_cols, width, place);
        if (epilogue.nothing()) continue;
        for (T* at : place) {
          if (at) epilogue.apply(at - p * tile_cols, p * tile_cols, width);
        }
      }
    }
  });
}
