// The packed matrix product that linear layers and convolutions share, after Goto and van de Geijn, "Anatomy
// of high-performance matrix multiplication", 2008: a tile of the result stays in registers while the sum
// runs over a block of the inner axis that stays in cache.
//
// Level code: include between level_begin.h and level_end.h, after <algorithm>, <utility>, core/parallel.h
// and kernels/cpu/scratch.h.
//
// Two orders of summation cover everything:
//   multiply_rows     c[m, n] = sum over k of a[m, k] b[k, n]: rows of a gathered, b packed, block by block
//   multiply_columns  c[m, n] = sum over k of a[k, m] b[k, n]: rows of both gathered, block by block
// A source of rows has rows(first, count, out), which makes cheap handles of rows; copy(row, begin, end,
// out), which writes those elements of a row; and ahead(row, begin), where they lie in memory if they are one
// run that the hardware does not see coming, or null. A target has rows(first, count, out), which gives where
// rows of c begin. That is all they know of a convolution: its rows are windows of a picture.

// The register tile: rows x two vectors. 14 x 2 sums, two vectors of b and one broadcast fill 31 of 32
// AVX-512 registers.
inline constexpr int kTileRows = GRAFT_CPU_LEVEL == 4 ? 14 : GRAFT_CPU_LEVEL == 3 ? 6 : 4;
inline constexpr int kTileVectors = 2;
template <class T>
inline constexpr int kTileCols = kTileVectors* kLanes<T>;

// Elements of a gathered block's row, and the distance of its rows: one cache line more, so that the rows of
// a tile do not fall into the same cache set.
inline constexpr int64_t kBlock = 256;
template <class T>
inline constexpr int64_t kBlockStride = kBlock + 64 / static_cast<int64_t>(sizeof(T));
// Rows that are gathered together: with kBlockStride about 420 KiB of float, half of an L2 cache.
inline constexpr int64_t kBlockRows = kTileRows * (392 / kTileRows);
// Panels of kTileCols columns of b that are packed together.
inline constexpr int64_t kGroupPanels = 4;
// Inner elements of one step of multiply_columns: two blocks of this depth share the L1 cache, a tile's width
// of each.
inline constexpr int64_t kColumnDepth = 128;
// Pieces of work that are enough for any machine; how the work is cut must not depend on the machine.
inline constexpr int64_t kPieces = 32;

inline constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

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

// Elements of a cache line.
template <class T>
inline constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));

// Asks for `n` elements that will be read soon. The hardware does not foresee the jump from one row to the
// next.
template <class T>
[[gnu::always_inline]] inline void prefetch_run(const T* from, int64_t n) {
  for (int64_t i = 0; i < n; i += kLine<T>) __builtin_prefetch(from + i);
}

// Rows of memory that a later tile will need. A tile asks for them, line by line, while it multiplies: its
// arithmetic then hides the way from memory to the L2 cache.
template <class T>
struct Ahead {
  const T* const* rows = nullptr;
  int64_t count = 0;
};

// Rows of a matrix as they lie in memory: a source and a target.
template <class T>
struct MatrixRows {
  T* data;
  int64_t stride;
  using Row = T*;
  void rows(int64_t first, int64_t count, Row* out) const {
    for (int64_t i = 0; i < count; ++i) out[i] = data + (first + i) * stride;
  }
  void copy(Row row, int64_t begin, int64_t end, std::remove_const_t<T>* out) const {
    copy_run<std::remove_const_t<T>>(row + begin, end - begin, out);
  }
  const T* ahead(Row row, int64_t begin) const { return row + begin; }
};

// One tile: c[i][j] (+)= sum over k of a(i, k) b[k * b_step + j] for kRows rows and `cols` <= kVectors
// vectors of columns. a(i, k) is a[i * stride + k] where the block was gathered by rows, a[k * stride + i]
// where by columns.
template <class T, int kRows, int kVectors, bool kByRows>
void tile(int64_t depth, const T* a, const T* b, int64_t b_step, T* const* c, int64_t col, int64_t cols,
          bool accumulate, Ahead<T> ahead) {
  constexpr int lanes = kLanes<T>;
  Vec<T> sum[kRows][kVectors] = {};
  for (int64_t line = 0; line < depth; line += kLine<T>) {
    for (int64_t i = 0; i < ahead.count; ++i) __builtin_prefetch(ahead.rows[i] + line, 0, 2);
    for (int64_t k = line; k < std::min(depth, line + kLine<T>); ++k) {
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
  T some[kRows][kVectors * lanes];
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store(some[i] + v * lanes, sum[i][v]);
  }
  for (int i = 0; i < kRows; ++i) {
    for (int64_t j = 0; j < cols; ++j) c[i][col + j] = accumulate ? c[i][col + j] + some[i][j] : some[i][j];
  }
}

template <class T>
using TileFn = void (*)(int64_t, const T*, const T*, int64_t, T* const*, int64_t, int64_t, bool, Ahead<T>);

// The tile function of `rows` rows and of as many vectors as `cols` columns need.
template <class T, bool kByRows>
TileFn<T> tile_of(int64_t rows, int64_t cols) {
  static constexpr auto table = []<int... kRow>(std::integer_sequence<int, kRow...>) {
    return std::array<std::array<TileFn<T>, kTileRows>, kTileVectors>{
        {{tile<T, kRow + 1, 1, kByRows>...}, {tile<T, kRow + 1, 2, kByRows>...}}};
  }
  (std::make_integer_sequence<int, kTileRows>());
  return table[cols > kLanes<T> ? 1 : 0][static_cast<size_t>(rows - 1)];
}

// Calls f(first, count) for tiles of nearly equal height: 49 rows are 13 + 12 + 12 + 12, not 14 + 14 + 14
// + 7.
template <class F>
[[gnu::always_inline]] inline void for_each_tile(int64_t rows, F f) {
  int64_t tiles = ceil_div(rows, kTileRows);
  for (int64_t t = 0, first = 0; t < tiles; ++t) {
    int64_t count = rows / tiles + (t < rows % tiles ? 1 : 0);
    f(first, count);
    first += count;
  }
}

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

// Packing b: columns [n, n + width), elements [k0, k1) of the sum, as panels of kTileCols columns that a tile
// reads from front to back. The last panel is padded with zeros to whole vectors. ahead(k, n, width, out)
// gives the rows of memory, from element k on, that pack will read, and their number.
template <class T>
[[gnu::always_inline]] inline int64_t panel_step(int64_t width) {  // of a panel with `width` columns left
  return width >= kTileCols<T> ? kTileCols<T> : ceil_div(width, kLanes<T>) * kLanes<T>;
}

// From b^T [N, K]: row n lies at data + n * stride.
template <class T>
struct TransposedPanels {
  const T* data;
  int64_t stride;

  int64_t ahead(int64_t k, int64_t n, int64_t width, const T** out) const {
    for (int64_t j = 0; j < width; ++j) out[j] = data + (n + j) * stride + k;
    return width;
  }
  void pack(int64_t k0, int64_t k1, int64_t n, int64_t width, T* out) const {
    constexpr int64_t lanes = kLanes<T>, tile_cols = kTileCols<T>;
    for (int64_t j = 0; j < width; j += lanes) {
      const T* from = data + (n + j) * stride;
      int64_t filled = std::min<int64_t>(lanes, width - j), k = k0;
      int64_t step = panel_step<T>(width - j / tile_cols * tile_cols);
      T* to = out + j / tile_cols * tile_cols * (k1 - k0) + j % tile_cols;
      for (; filled == lanes && k + lanes <= k1; k += lanes) {
        Vec<T> block[lanes];
#pragma GCC unroll 16
        for (int64_t i = 0; i < lanes; ++i) {
          block[i] = load(from + i * stride + k);
          __builtin_prefetch(from + i * stride + k + 4 * lanes);
        }
        transpose_block<T>(block);
#pragma GCC unroll 16
        for (int64_t i = 0; i < lanes; ++i, to += step) store(to, block[i]);
      }
      for (; k < k1; ++k, to += step) {
        for (int64_t i = 0; i < lanes; ++i) to[i] = i < filled ? from[i * stride + k] : T(0);
      }
    }
  }
};

// From b [K, N] in runs of `run` rows: row k lies at run_start(k / run) + k % run * stride.
template <class T, class RunStart>
struct RowPanels {
  RunStart run_start;
  int64_t run, stride;

  int64_t ahead(int64_t, int64_t, int64_t, const T**) const { return 0; }  // pack asks for its own
  void pack(int64_t k0, int64_t k1, int64_t n, int64_t width, T* out) const {
    constexpr int64_t tile_cols = kTileCols<T>;
    int64_t full = width / tile_cols * tile_cols, rest = width - full, rest_step = panel_step<T>(rest);
    for (int64_t k = k0; k < k1;) {
      int64_t index = k / run, skip = k % run, count = std::min(run - skip, k1 - k);
      const T* from = run_start(index) + skip * stride + n;
      for (int64_t i = 0; i < count; ++i, from += stride) {
        T* to = out + (k - k0 + i) * tile_cols;
        prefetch_run(from + 8 * stride, width);
        for (int64_t j = 0; j < full; j += tile_cols, to += tile_cols * (k1 - k0))
          copy_run<T>(from + j, tile_cols, to);
        if (rest == 0) continue;
        to = out + full * (k1 - k0) + (k - k0 + i) * rest_step;
        copy_run<T>(from + full, rest, to);
        zero_run(rest_step - rest, to + rest);
      }
      k += count;
    }
  }
};

// What happens to a finished sum: act(scale * sum + shift + residual). Null pointers leave their part out.
template <class T>
struct Epilogue {
  const T* scale = nullptr;
  const T* shift = nullptr;
  const T* residual = nullptr;  // at the same distance from `origin` as the result
  const T* origin = nullptr;
  T low = -std::numeric_limits<T>::infinity(), high = std::numeric_limits<T>::infinity();

  bool nothing() const { return !scale && !shift && !residual && std::isinf(low) && std::isinf(high); }
  void apply(T* out, int64_t col, int64_t cols) const {
    const T* more = residual ? residual + (out + col - origin) : nullptr;
    out += col;
    // In vectors by hand: the compiler's own choice is masked loads for the parts that may be left out.
    int64_t j = 0;
    const Vec<T> lows = Vec<T>{} + low, highs = Vec<T>{} + high;
    for (; j + kLanes<T> <= cols; j += kLanes<T>) {
      Vec<T> v = load(out + j);
      if (scale) v *= load(scale + col + j);
      if (shift) v += load(shift + col + j);
      if (more) v += load(more + j);
      // NaN stays NaN: a comparison with it is false.
      v = v < lows ? lows : v;
      store(out + j, v > highs ? highs : v);
    }
    for (; j < cols; ++j) {
      T v = out[j];
      if (scale) v *= scale[col + j];
      if (shift) v += shift[col + j];
      if (more) v += more[j];
      out[j] = v < low ? low : v > high ? high : v;
    }
  }
};

// The same, and then curve(first, count) for each run of finished elements.
template <class T, class Curve>
struct CurvedEpilogue : Epilogue<T> {
  Curve curve;

  bool nothing() const { return false; }
  void apply(T* out, int64_t col, int64_t cols) const {
    Epilogue<T>::apply(out, col, cols);
    curve(out + col, cols);
  }
};

// How multiply_rows is cut into pieces. Each element of c is summed by one piece, in the same order whatever
// the cut, so it may follow the number of threads: with few rows the columns are cut as well, though each
// piece gathers its rows itself.
template <class T>
struct RowPieces {
  int64_t rows, groups, row_pieces, col_pieces;
  RowPieces(int64_t m, int64_t n) {
    int64_t wanted = threads() == 1 ? 1 : 3 * threads();
    int64_t all_groups = ceil_div(n, kGroupPanels * kTileCols<T>);
    int64_t cuts = ceil_div(m, kBlockRows);
    // As many for one thread as for the others, where they are few; but not so small that b is packed in
    // vain.
    if (cuts < wanted)
      cuts = std::max(cuts, std::min(ceil_div(cuts, threads()) * threads(), m / (8 * kTileRows)));
    rows = ceil_div(ceil_div(m, cuts), kTileRows) * kTileRows;
    row_pieces = ceil_div(m, rows);
    groups = ceil_div(all_groups, std::clamp<int64_t>(wanted / row_pieces, 1, all_groups));
    col_pieces = ceil_div(all_groups, groups);
  }
};

// c[m, n] = sum over k of source[m, k] b[k, n] for m < rows, n < cols, k < depth, and then the epilogue.
template <class T, class Source, class PackedB, class Target, class After>
void multiply_rows(const Source& source, int64_t rows, const PackedB& b, int64_t cols, int64_t depth,
                   const Target& target, const After& epilogue) {
  if (rows == 0 || cols == 0) return;
  constexpr int64_t tile_cols = kTileCols<T>, group_cols = kGroupPanels * tile_cols;
  RowPieces<T> pieces(rows, cols);
  int64_t steps = std::max<int64_t>(1, ceil_div(depth, kBlock)), step = ceil_div(depth, steps);

  auto piece = [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
    int64_t count = m1 - m0;
    Scratch<T> left(pieces.rows * kBlockStride<T>), right(group_cols * kBlock);
    Scratch<typename Source::Row> from(count);
    Scratch<T*> to(count);
    Scratch<const T*> next(group_cols), ahead(kTileRows + group_cols);
    source.rows(m0, count, from.get());
    target.rows(m0, count, to.get());
    for (int64_t s = 0; s < steps; ++s) {
      int64_t k0 = s * step, k1 = std::min(depth, k0 + step);
      for (int64_t group = n0; group < n1; group += group_cols) {
        int64_t end = std::min(n1, group + group_cols);
        b.pack(k0, k1, group, end - group, right.get());
        // What follows this group: its next neighbour, or the first of the next step.
        int64_t next_rows = 0, given = 0;
        if (end < n1)
          next_rows = b.ahead(k0, end, std::min(n1 - end, group_cols), next.get());
        else if (s + 1 < steps)
          next_rows = b.ahead(k1, n0, std::min(n1 - n0, group_cols), next.get());
        int64_t share = ceil_div(next_rows, ceil_div(count, kTileRows) * ceil_div(end - group, tile_cols));
        // A tile's rows of a stay in L1 while the group passes by; its part of c is written in long runs.
        for_each_tile(count, [&](int64_t first, int64_t height) {
          if (group == n0) {
            for (int64_t i = first; i < first + height; ++i)
              source.copy(from.get()[i], k0, k1, left.get() + i * kBlockStride<T>);
          }
          for (int64_t n = group; n < end; n += tile_cols) {
            int64_t rows_ahead = 0;
            for (int64_t i = first + height; n == n0 && i < std::min(count, first + 2 * height); ++i) {
              if (const T* row = source.ahead(from.get()[i], k0)) ahead.get()[rows_ahead++] = row;
            }
            for (int64_t i = 0; i < share && given < next_rows; ++i)
              ahead.get()[rows_ahead++] = next.get()[given++];
            int64_t width = std::min(tile_cols, end - n);
            tile_of<T, true>(height, width)(k1 - k0, left.get() + first * kBlockStride<T>,
                                            right.get() + (n - group) * (k1 - k0), panel_step<T>(width),
                                            to.get() + first, n, width, s > 0, {ahead.get(), rows_ahead});
          }
          if (s + 1 < steps || epilogue.nothing()) return;
          for (int64_t i = first; i < first + height; ++i) epilogue.apply(to.get()[i], group, end - group);
        });
      }
    }
  };
  parallel_for(pieces.row_pieces * pieces.col_pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t m = i / pieces.col_pieces * pieces.rows, n = i % pieces.col_pieces * pieces.groups * group_cols;
      piece(m, std::min(rows, m + pieces.rows), n, std::min(cols, n + pieces.groups * group_cols));
    }
  });
}

// One block of multiply_columns: adds the sum over [k0, k1) to c, or starts with it.
template <class T, class Left, class Right>
void multiply_column_block(const Left& a, int64_t m0, int64_t m1, const Right& b, int64_t n0, int64_t n1,
                           int64_t k0, int64_t k1, T* c, int64_t c_stride) {
  Scratch<T> left(kColumnDepth * kBlockStride<T>), right(kColumnDepth * kBlockStride<T>);
  std::array<typename Left::Row, kColumnDepth> left_rows;
  std::array<typename Right::Row, kColumnDepth> right_rows;
  // A last vector that is not full reads beyond the gathered columns; what it makes of them is not stored.
  int64_t rest = (n1 - n0) % kLanes<T> == 0 ? 0 : kLanes<T> - (n1 - n0) % kLanes<T>;
  std::array<T*, kBlock> to;
  for (int64_t i = 0; i < m1 - m0; ++i) to[static_cast<size_t>(i)] = c + (m0 + i) * c_stride + n0;
  int64_t k = k0;
  do {
    int64_t depth = std::min(kColumnDepth, k1 - k);
    a.rows(k, depth, left_rows.data());
    b.rows(k, depth, right_rows.data());
    for (int64_t i = 0; i < depth; ++i) {
      T* out = right.get() + i * kBlockStride<T>;
      a.copy(left_rows[static_cast<size_t>(i)], m0, m1, left.get() + i * kBlockStride<T>);
      b.copy(right_rows[static_cast<size_t>(i)], n0, n1, out);
      zero_run(rest, out + n1 - n0);
    }
    for_each_tile(m1 - m0, [&](int64_t first, int64_t height) {
      for (int64_t j = 0; j < n1 - n0; j += kTileCols<T>) {
        int64_t width = std::min<int64_t>(kTileCols<T>, n1 - n0 - j);
        tile_of<T, false>(height, width)(depth, left.get() + first, right.get() + j, kBlockStride<T>,
                                         to.data() + first, j, width, k > k0, {});
      }
    });
    k += depth;
  } while (k < k1);
}

// c[m, n] = sum over k of a[k, m] b[k, n]; c is [rows, cols], its rows c_stride apart.
template <class T, class Left, class Right>
void multiply_columns(const Left& a, int64_t rows, const Right& b, int64_t cols, int64_t depth, T* c,
                      int64_t c_stride) {
  if (rows == 0 || cols == 0) return;
  int64_t row_pieces = ceil_div(rows, kBlock), col_pieces = ceil_div(cols, kBlock);
  int64_t piece_rows = ceil_div(rows, row_pieces),
          piece_cols = ceil_div(ceil_div(cols, col_pieces), kTileCols<T>) * kTileCols<T>;
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
