// The packed matrix product that linear layers and convolutions share, after Goto and van de Geijn, "Anatomy of
// high-performance matrix multiplication", 2008: a tile of the result stays in registers while the sum runs over a block
// of the inner axis that stays in cache.
//
// Level code: include between level_begin.h and level_end.h, after <algorithm>, <utility>, core/parallel.h and
// kernels/cpu/scratch.h.
//
// Two orders of summation cover everything:
//   multiply_rows      c[m, n] = sum over k of a[m, k] b[k, n]     b packed once, rows of a gathered block by block
//   multiply_columns   c[m, n] = sum over k of a[k, m] b[k, n]     rows of both gathered block by block
// A source of rows has row(i), a cheap handle, and copy(row, begin, end, out), which writes those elements of the row.
// That is all they know of a convolution: its rows are windows of a picture (conv2d_windows.h).

// The register tile: rows x two vectors. 14 x 2 sums, two vectors of b and one broadcast fill 31 of 32 AVX-512 registers.
inline constexpr int kTileRows = GRAFT_CPU_LEVEL == 4 ? 14 : GRAFT_CPU_LEVEL == 3 ? 6 : 4;
inline constexpr int kTileVectors = 2;
template <class T>
inline constexpr int kTileCols = kTileVectors * kLanes<T>;

// Elements of a gathered block's row, and the distance of its rows: one cache line more, so that the rows of a tile do not
// fall into the same cache set.
inline constexpr int64_t kBlock = 256;
template <class T>
inline constexpr int64_t kBlockStride = kBlock + 64 / static_cast<int64_t>(sizeof(T));
// Rows that are gathered together: with kBlockStride about 120 KiB of float, half of a small L2.
inline constexpr int64_t kBlockRows = kTileRows * (112 / kTileRows);
// Inner elements of one step of multiply_columns: two blocks of this depth share the L1 cache, a tile's width of each.
inline constexpr int64_t kColumnDepth = 128;
// Pieces of work that are enough for any machine; how the work is cut must not depend on the machine.
inline constexpr int64_t kPieces = 32;

inline constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
[[gnu::always_inline]] inline void copy_run(const T* from, int64_t n, T* to) {
  constexpr int64_t lanes = kLanes<T>;
  if (n < lanes) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
    return;
  }
  for (int64_t i = 0; i + lanes <= n; i += lanes) store(to + i, load(from + i));
  store(to + n - lanes, load(from + n - lanes));  // overlaps: cheaper than a scalar rest
}

template <class T>
[[gnu::always_inline]] inline void zero_run(int64_t n, T* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = 0;
}

// Rows of a matrix as they lie in memory.
template <class T>
struct MatrixRows {
  const T* data;
  int64_t stride;
  using Row = const T*;
  Row row(int64_t i) const { return data + i * stride; }
  void copy(Row row, int64_t begin, int64_t end, T* out) const { copy_run(row + begin, end - begin, out); }
};

// One tile: c[i][j] (+)= sum over k of a(i, k) b[k * b_step + j] for kRows rows and `cols` <= kVectors vectors of columns.
// a(i, k) is a[i * stride + k] where the block was gathered by rows, a[k * stride + i] where by columns.
template <class T, int kRows, int kVectors, bool kByRows>
void tile(int64_t depth, const T* a, const T* b, int64_t b_step, T* const* c, int64_t col, int64_t cols, bool accumulate) {
  constexpr int lanes = kLanes<T>;
  Vec<T> sum[kRows][kVectors] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Vec<T> right[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * lanes);
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      T left = kByRows ? a[i * kBlockStride<T>] : a[i];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[i][v] += left * right[v];
    }
    a += kByRows ? 1 : kBlockStride<T>;
    b += b_step;
  }
  if (cols == kVectors * lanes) {
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      T* out = c[i] + col;
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        store(out + v * lanes, accumulate ? load(out + v * lanes) + sum[i][v] : sum[i][v]);
      }
    }
    return;
  }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
    T row[kVectors * lanes], *out = c[i] + col;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store(row + v * lanes, sum[i][v]);
    for (int64_t j = 0; j < cols; ++j) out[j] = accumulate ? out[j] + row[j] : row[j];
  }
}

template <class T>
using TileFn = void (*)(int64_t, const T*, const T*, int64_t, T* const*, int64_t, int64_t, bool);

// The tile function of `rows` rows and of as many vectors as `cols` columns need.
template <class T, bool kByRows>
TileFn<T> tile_of(int64_t rows, int64_t cols) {
  static constexpr auto table = []<int... kRow>(std::integer_sequence<int, kRow...>) {
    return std::array<std::array<TileFn<T>, kTileRows>, kTileVectors>{{{tile<T, kRow + 1, 1, kByRows>...},
                                                                      {tile<T, kRow + 1, 2, kByRows>...}}};
  }(std::make_integer_sequence<int, kTileRows>());
  return table[cols > kLanes<T> ? 1 : 0][static_cast<size_t>(rows - 1)];
}

// Calls f(first, count) for tiles of nearly equal height: 49 rows are 13 + 12 + 12 + 12, not 14 + 14 + 14 + 7.
template <class F>
[[gnu::always_inline]] inline void for_each_tile(int64_t rows, F f) {
  int64_t tiles = ceil_div(rows, kTileRows);
  for (int64_t t = 0, first = 0; t < tiles; ++t) {
    int64_t count = rows / tiles + (t < rows % tiles ? 1 : 0);
    f(first, count);
    first += count;
  }
}

// b [K, N], packed in panels of kTileCols columns: a tile reads its panel from front to back. The last panel is padded with
// zeros to whole vectors.
template <class T>
struct Panels {
  int64_t depth, cols;
  Scratch<T> data;

  Panels(int64_t depth_, int64_t cols_) : depth(depth_), cols(cols_), data(depth_ * ceil_div(cols_, kLanes<T>) * kLanes<T>) {}
  int64_t count() const { return ceil_div(cols, kTileCols<T>); }
  int64_t width(int64_t panel) const {  // columns with values
    return std::min<int64_t>(kTileCols<T>, cols - panel * kTileCols<T>);
  }
  int64_t step(int64_t panel) const { return ceil_div(width(panel), kLanes<T>) * kLanes<T>; }
  T* at(int64_t panel) const { return data.get() + panel * kTileCols<T> * depth; }
};

// Turns the kLanes x kLanes block in `r` on its diagonal, doubling the block size in each step.
template <class T, int kStep = 1>
[[gnu::always_inline]] inline void transpose_block(Vec<T>* r) {
  constexpr int lanes = kLanes<T>;
  if constexpr (kStep < lanes) {
    auto merge = [&]<int... kLane>(Vec<T> a, Vec<T> b, bool low, std::integer_sequence<int, kLane...>)
                     __attribute__((always_inline)) {
      return low ? __builtin_shufflevector(a, b, ((kLane & kStep) ? lanes + kLane - kStep : kLane)...)
                 : __builtin_shufflevector(a, b, ((kLane & kStep) ? lanes + kLane : kLane + kStep)...);
    };
    constexpr auto all = std::make_integer_sequence<int, lanes>();
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      if (i & kStep) continue;
      Vec<T> low = merge(r[i], r[i + kStep], true, all), high = merge(r[i], r[i + kStep], false, all);
      r[i] = low;
      r[i + kStep] = high;
    }
    transpose_block<T, kStep * 2>(r);
  }
}

// From b^T [N, K]: row n lies at b + n * stride.
template <class T>
void pack_transposed(const T* b, int64_t stride, const Panels<T>& panels) {
  constexpr int64_t lanes = kLanes<T>;
  parallel_for(panels.count(), ceil_div(16384, panels.depth * kTileCols<T> + 1), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t step = panels.step(p), width = panels.width(p);
      T* out = panels.at(p);
      for (int64_t j = 0; j < step; j += lanes) {
        const T* from = b + (p * kTileCols<T> + j) * stride;
        int64_t filled = std::min<int64_t>(lanes, width - j), k = 0;
        for (; filled == lanes && k + lanes <= panels.depth; k += lanes) {
          Vec<T> block[lanes];
#pragma GCC unroll 16
          for (int64_t i = 0; i < lanes; ++i) block[i] = load(from + i * stride + k);
          transpose_block<T>(block);
#pragma GCC unroll 16
          for (int64_t i = 0; i < lanes; ++i) store(out + (k + i) * step + j, block[i]);
        }
        for (; k < panels.depth; ++k) {
          for (int64_t i = 0; i < lanes; ++i) out[k * step + j + i] = i < filled ? from[i * stride + k] : T(0);
        }
      }
    }
  });
}

// From rows of b: row(k) points at its first column.
template <class T, class RowOf>
void pack_rows(const RowOf& row, const Panels<T>& panels) {
  parallel_for(panels.count(), ceil_div(16384, panels.depth * kTileCols<T> + 1), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t step = panels.step(p), width = panels.width(p);
      T* out = panels.at(p);
      for (int64_t k = 0; k < panels.depth; ++k, out += step) {
        copy_run(row(k) + p * kTileCols<T>, width, out);
        zero_run(step - width, out + width);
      }
    }
  });
}

// What happens to a finished sum: act(scale * sum + shift + residual). Null pointers leave their part out.
template <class T>
struct Epilogue {
  const T* scale = nullptr;
  const T* shift = nullptr;
  const T* residual = nullptr;  // at the same distance from `origin` as the result
  const T* origin = nullptr;
  T low = -std::numeric_limits<T>::infinity(), high = std::numeric_limits<T>::infinity();

  bool nothing() const {
    return !scale && !shift && !residual && std::isinf(low) && std::isinf(high);
  }
  void apply(T* out, int64_t col, int64_t cols) const {
    const T* more = residual ? residual + (out + col - origin) : nullptr;
    out += col;
    // NaN stays NaN: a comparison with it is false.
    auto clamp = [&](T v) { return v < low ? low : v > high ? high : v; };
    for (int64_t j = 0; j < cols; ++j) {
      T v = out[j];
      if (scale) v *= scale[col + j];
      if (shift) v += shift[col + j];
      if (more) v += more[j];
      out[j] = clamp(v);
    }
  }
};

// c[m, n] = sum over k of source[m, k] b[k, n], for `rows` rows; target(m) points at row m of c.
template <class T, class Source, class Target>
void multiply_rows(const Source& source, int64_t rows, const Panels<T>& b, const Target& target,
                   const Epilogue<T>& epilogue) {
  if (rows == 0 || b.cols == 0) return;
  int64_t row_pieces = ceil_div(rows, kBlockRows);
  int64_t piece_rows = ceil_div(ceil_div(rows, row_pieces), kTileRows) * kTileRows;
  row_pieces = ceil_div(rows, piece_rows);
  // Few rows: cut the columns as well, but not below four panels, since each piece gathers its rows itself.
  int64_t col_pieces = std::clamp<int64_t>(kPieces / row_pieces, 1, ceil_div(b.count(), 4));
  int64_t piece_panels = ceil_div(b.count(), col_pieces);
  col_pieces = ceil_div(b.count(), piece_panels);
  int64_t steps = std::max<int64_t>(1, ceil_div(b.depth, kBlock));
  int64_t step = ceil_div(b.depth, steps);

  auto piece = [&](int64_t m0, int64_t m1, int64_t panel0, int64_t panel1) {
    Scratch<T> block(kBlockRows * kBlockStride<T>);
    std::array<typename Source::Row, kBlockRows> from;
    std::array<T*, kBlockRows> to;
    int64_t count = m1 - m0;
    for (int64_t i = 0; i < count; ++i) {
      from[static_cast<size_t>(i)] = source.row(m0 + i);
      to[static_cast<size_t>(i)] = target(m0 + i);
    }
    for (int64_t s = 0; s < steps; ++s) {
      int64_t k0 = s * step, k1 = std::min(b.depth, k0 + step);
      for (int64_t i = 0; i < count; ++i) source.copy(from[static_cast<size_t>(i)], k0, k1, block.get() + i * kBlockStride<T>);
      for (int64_t p = panel0; p < panel1; ++p) {
        int64_t width = b.width(p), b_step = b.step(p);
        const T* panel = b.at(p) + k0 * b_step;
        for_each_tile(count, [&](int64_t first, int64_t height) {
          tile_of<T, true>(height, width)(k1 - k0, block.get() + first * kBlockStride<T>, panel, b_step, to.data() + first,
                                          p * kTileCols<T>, width, s > 0);
          if (s + 1 < steps || epilogue.nothing()) return;
          for (int64_t i = first; i < first + height; ++i) {
            epilogue.apply(to[static_cast<size_t>(i)], p * kTileCols<T>, width);
          }
        });
      }
    }
  };
  parallel_for(row_pieces * col_pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t m = i / col_pieces * piece_rows, p = i % col_pieces * piece_panels;
      piece(m, std::min(rows, m + piece_rows), p, std::min(b.count(), p + piece_panels));
    }
  });
}

// One block of multiply_columns: adds the sum over [k0, k1) to c, or starts with it.
template <class T, class Left, class Right>
void multiply_column_block(const Left& a, int64_t m0, int64_t m1, const Right& b, int64_t n0, int64_t n1, int64_t k0,
                           int64_t k1, T* c, int64_t c_stride) {
  Scratch<T> left(kColumnDepth * kBlockStride<T>), right(kColumnDepth * kBlockStride<T>);
  // A last vector that is not full reads beyond the gathered columns; what it makes of them is not stored.
  std::fill_n(right.get(), kColumnDepth * kBlockStride<T>, T(0));
  std::array<T*, kBlock> to;
  for (int64_t i = 0; i < m1 - m0; ++i) to[static_cast<size_t>(i)] = c + (m0 + i) * c_stride + n0;
  int64_t k = k0;
  do {
    int64_t depth = std::min(kColumnDepth, k1 - k);
    for (int64_t i = 0; i < depth; ++i) {
      a.copy(a.row(k + i), m0, m1, left.get() + i * kBlockStride<T>);
      b.copy(b.row(k + i), n0, n1, right.get() + i * kBlockStride<T>);
    }
    for_each_tile(m1 - m0, [&](int64_t first, int64_t height) {
      for (int64_t j = 0; j < n1 - n0; j += kTileCols<T>) {
        int64_t width = std::min<int64_t>(kTileCols<T>, n1 - n0 - j);
        tile_of<T, false>(height, width)(depth, left.get() + first, right.get() + j, kBlockStride<T>, to.data() + first, j,
                                         width, k > k0);
      }
    });
    k += depth;
  } while (k < k1);
}

// c[m, n] = sum over k of a[k, m] b[k, n]; c is [rows, cols], its rows c_stride apart.
template <class T, class Left, class Right>
void multiply_columns(const Left& a, int64_t rows, const Right& b, int64_t cols, int64_t depth, T* c, int64_t c_stride) {
  if (rows == 0 || cols == 0) return;
  int64_t row_pieces = ceil_div(rows, kBlock), col_pieces = ceil_div(cols, kBlock);
  int64_t piece_rows = ceil_div(rows, row_pieces), piece_cols = ceil_div(ceil_div(cols, col_pieces), kTileCols<T>) * kTileCols<T>;
  col_pieces = ceil_div(cols, piece_cols);
  int64_t tiles = row_pieces * col_pieces;
  // Few blocks of c: cut the sum as well; each part has its own result, and the results are added in order.
  int64_t parts = std::clamp<int64_t>(kPieces / tiles, 1, std::max<int64_t>(1, depth / (4 * kColumnDepth)));
  int64_t part_depth = ceil_div(ceil_div(depth, parts), kColumnDepth) * kColumnDepth;
  parts = std::max<int64_t>(1, ceil_div(depth, std::max<int64_t>(1, part_depth)));
  Scratch<T> more((parts - 1) * rows * cols);

  parallel_for(parts * tiles, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t part = i / tiles, m0 = i % tiles / col_pieces * piece_rows, n0 = i % col_pieces * piece_cols;
      T* out = part == 0 ? c : more.get() + (part - 1) * rows * cols;
      multiply_column_block(a, m0, std::min(rows, m0 + piece_rows), b, n0, std::min(cols, n0 + piece_cols),
                            part * part_depth, std::min(depth, (part + 1) * part_depth), out,
                            part == 0 ? c_stride : cols);
    }
  });
  if (parts == 1) return;
  parallel_for(rows, ceil_div(16384, cols * parts), [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      for (int64_t part = 0; part + 1 < parts; ++part) {
        const T* from = more.get() + (part * rows + m) * cols;
        for (int64_t j = 0; j < cols; ++j) c[m * c_stride + j] += from[j];
      }
    }
  });
}
