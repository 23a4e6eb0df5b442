// Attention in tiles, forward and backward. Each kernel keeps the rows of its block, queries or keys, and has
// the other side go by, tile by tile; every sum that it writes is its own, in one order, so nothing is added
// by more than one block. The products are the Engine's, which also says which elements a thread has:
// SimtAttention (attention_simt.h) or, on tensor cores, MmaAttention (attention_mma.h).
//
// Of a tile's scores the kernels make p = exp(s - lse) and ds = p (dy . v - dy . y), kernels/attention.h.
#pragma once

#include "kernels/attention.h"
#include "kernels/cuda/divisor.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/team.h"

namespace graft::kernels::cuda {

// What a query and a key of one head and one batch entry have to do with each other.
template <class T>
struct HeadView {
  const T* bias;  // [queries, keys], or null
  int queries, keys, length;
  float scale;
  bool causal;

  // How many keys `query` sees.
  __device__ __forceinline__ int seen(int query) const {
    return causal ? max(0, min(length, query + 1 + keys - queries)) : length;
  }
  // The first query that sees `key`.
  __device__ __forceinline__ int first_query(int key) const {
    return causal ? max(0, key + queries - keys) : 0;
  }
  __device__ __forceinline__ float score(float dot, int query, int key) const {
    if (query >= queries || key >= seen(query)) return -INFINITY;
    return scale * dot + (bias ? to_float(bias[int64_t{query} * keys + key]) : 0.0f);
  }
};

// Everything that is read, and how it lies in memory.
template <class T>
struct AttentionView {
  const T *q, *k, *v, *dy, *bias;
  const int64_t* lengths;
  float* lse;   // [B, H, Tq]
  float* pull;  // dy . y of each row, as lse; backward only
  int queries, keys, heads, size, bias_heads;
  float scale;
  bool causal, wide;

  __device__ __forceinline__ int64_t stride() const { return int64_t{heads} * size; }
  // Where a head's first row is, in a tensor of `rows` rows.
  __device__ __forceinline__ int64_t offset(int b, int h, int rows) const {
    return (int64_t{b} * rows * heads + h) * size;
  }
  __device__ __forceinline__ int64_t row_offset(int b, int h) const {
    return (int64_t{b} * heads + h) * queries;
  }
  __device__ __forceinline__ HeadView<T> head(int b, int h) const {
    const T* add = bias ? bias + int64_t{bias_heads == 1 ? 0 : h} * queries * keys : nullptr;
    const int length = lengths ? static_cast<int>(max(int64_t{0}, min(int64_t{keys}, lengths[b]))) : keys;
    return {add, queries, keys, length, scale, causal};
  }
  template <class Tile>
  __device__ __forceinline__ void load_queries(Tile& tile, const T* from, int b, int h, int first) const {
    tile.load(from + offset(b, h, queries), stride(), first, queries, size, wide);
  }
  template <class Tile>
  __device__ __forceinline__ void load_keys(Tile& tile, const T* from, int b, int h, int first,
                                            int end) const {
    tile.load(from + offset(b, h, keys), stride(), first, end, size, wide);
  }
  // to(row, column) = sums * factor(i), for rows [first, rows) of a head.
  template <class Sums, class F>
  __device__ __forceinline__ void store(T* to, int b, int h, int first, int rows, Sums& sums,
                                        F factor) const {
    constexpr int kWide = Sums::kWide;
    to += offset(b, h, rows);
    GRAFT_UNROLL
    for (int i = 0; i < Sums::kI; ++i) {
      const int row = first + Sums::row(i);
      if (row >= rows) continue;
      GRAFT_UNROLL
      for (int j = 0; j < Sums::kJ; j += kWide) {
        T* at = to + row * stride() + Sums::col(j);
        Pack<T, kWide> run;
        GRAFT_UNROLL
        for (int n = 0; n < kWide; ++n) run.values[n] = from_float<T>(sums(i, j + n) * factor(i));
        if (wide) {
          if (Sums::col(j) < size) *reinterpret_cast<Pack<T, kWide>*>(at) = run;
        } else {
          GRAFT_UNROLL
          for (int n = 0; n < kWide; ++n) {
            if (Sums::col(j) + n < size) at[n] = run.values[n];
          }
        }
      }
    }
  }
};

// Which rows of which head a block has.
struct BlockRows {
  int b, h, first;
};
template <class Engine>
__device__ __forceinline__ BlockRows rows_of_block(int rows, int heads) {
  const int tiles = (rows + Engine::kRows - 1) / Engine::kRows, block = static_cast<int>(blockIdx.x);
  const int head = block / tiles;
  return {head / heads, head % heads, block % tiles * Engine::kRows};
}

// What the kernels have in shared memory: tiles of the block's own rows, and of what goes by.
template <class Engine>
struct ForwardTiles {
  typename Engine::template Tile<Engine::kRows> q;
  typename Engine::template Tile<Engine::kCols> k, v;
  typename Engine::Weights weights;
};
template <class Engine>
struct QueryTiles {
  typename Engine::template Tile<Engine::kRows> q, dy;
  typename Engine::template Tile<Engine::kCols> k, v;
  typename Engine::Weights weights;
};
template <class Engine>
struct KeyTiles {
  typename Engine::template Tile<Engine::kRows> k, v;
  typename Engine::template Tile<Engine::kCols> q, dy;
  typename Engine::Weights weights;
  float lse[Engine::kCols], pull[Engine::kCols];  // of the queries
};
template <class Engine>
struct BiasTiles {
  typename Engine::template Tile<Engine::kRows> q, dy;
  typename Engine::template Tile<Engine::kCols> k, v;
};

// One block for each tile of queries.
template <class Engine, class T = typename Engine::Element>
__global__ void __launch_bounds__(Engine::kThreads, 1)
    attention_forward(const __grid_constant__ AttentionView<T> a, T* y) {
  using Scores = typename Engine::Scores;
  auto& t = *dynamic_shared<ForwardTiles<Engine>>();
  const auto [b, h, first] = rows_of_block<Engine>(a.queries, a.heads);
  const HeadView<T> head = a.head(b, h);
  const int end = head.seen(min(first + Engine::kRows, a.queries) - 1);

  float highest[Scores::kI], total[Scores::kI];
  GRAFT_UNROLL
  for (int i = 0; i < Scores::kI; ++i) highest[i] = -INFINITY, total[i] = 0;
  typename Engine::Sums sums;
  a.load_queries(t.q, a.q, b, h, first);
  a.load_keys(t.k, a.k, b, h, 0, end);
  for (int key = 0; key < end; key += Engine::kCols) {
    Engine::wait_for_loads();
    __syncthreads();  // k is there, and all have read the last v
    a.load_keys(t.v, a.v, b, h, key, end);
    Scores s;
    s.add_dots(t.q, t.k);
    GRAFT_UNROLL
    for (int i = 0; i < Scores::kI; ++i) {
      float top = highest[i];
      GRAFT_UNROLL
      for (int j = 0; j < Scores::kJ; ++j) {
        s(i, j) = head.score(s(i, j), first + Scores::row(i), key + Scores::col(j));
        top = fmaxf(top, s(i, j));
      }
      top = Scores::reduce_row(top, Max());
      const float shift = top == -INFINITY ? 0.0f : top;  // nothing visible so far: all p are 0
      const float shrink = expf(highest[i] - shift);
      highest[i] = top;
      total[i] *= shrink;
      GRAFT_UNROLL
      for (int j = 0; j < Scores::kJ; ++j) total[i] += s(i, j) = expf(s(i, j) - shift);
      GRAFT_UNROLL
      for (int j = 0; j < Engine::Sums::kJ; ++j) sums(i, j) *= shrink;
    }
    Engine::wait_for_loads();
    __syncthreads();  // v is there, and all have read k
    if (key + Engine::kCols < end) a.load_keys(t.k, a.k, b, h, key + Engine::kCols, end);
    sums.add_weighted(s, t.v, t.weights);
  }
  GRAFT_UNROLL
  for (int i = 0; i < Scores::kI; ++i) {
    total[i] = Scores::reduce_row(total[i], Sum());  // each thread had its columns' part
    const int row = first + Scores::row(i);
    if (row < a.queries && Scores::col(0) == 0)
      a.lse[a.row_offset(b, h) + row] = total[i] > 0 ? highest[i] + logf(total[i]) : INFINITY;
  }
  a.store(y, b, h, first, a.queries, sums, [&](int i) { return total[i] > 0 ? 1 / total[i] : 0.0f; });
}

// A warp for each row: dy . y.
template <class T>
__global__ void attention_pull(const __grid_constant__ AttentionView<T> a, const T* y, int64_t rows) {
  const int64_t row = WarpTeam::row();  // as y has them: [B, Tq, H]
  if (row >= rows) return;
  float sum = 0;
  for (int d = WarpTeam::rank(); d < a.size; d += WarpTeam::kSize)
    sum += to_float(a.dy[row * a.size + d]) * to_float(y[row * a.size + d]);
  sum = WarpTeam::reduce(sum, Sum());
  const int64_t h = row % a.heads, i = row / a.heads % a.queries, b = row / a.heads / a.queries;
  if (WarpTeam::rank() == 0) a.pull[(b * a.heads + h) * a.queries + i] = sum;
}

// lse and dy . y of the queries that a thread has for rows.
template <class Scores, class T>
struct RowTerms {
  float lse[Scores::kI], pull[Scores::kI];

  __device__ __forceinline__ RowTerms(const AttentionView<T>& a, int b, int h, int first) {
    GRAFT_UNROLL
    for (int i = 0; i < Scores::kI; ++i) {
      const int row = first + Scores::row(i);
      const bool inside = row < a.queries;
      lse[i] = inside ? a.lse[a.row_offset(b, h) + row] : INFINITY;
      pull[i] = inside ? a.pull[a.row_offset(b, h) + row] : 0.0f;
    }
  }
  // From q . k in s and dy . v in dp to ds in dp.
  __device__ __forceinline__ void make_ds(const HeadView<T>& head, int first, int key, Scores& s,
                                          Scores& dp) const {
    GRAFT_UNROLL
    for (int i = 0; i < Scores::kI; ++i) {
      GRAFT_UNROLL
      for (int j = 0; j < Scores::kJ; ++j) {
        const float score = head.score(s(i, j), first + Scores::row(i), key + Scores::col(j));
        dp(i, j) = expf(score - lse[i]) * (dp(i, j) - pull[i]);
      }
    }
  }
};

// One block for each tile of queries.
template <class Engine, class T = typename Engine::Element>
__global__ void __launch_bounds__(Engine::kThreads, 1)
    attention_grad_queries(const __grid_constant__ AttentionView<T> a, T* dq) {
  using Scores = typename Engine::Scores;
  auto& t = *dynamic_shared<QueryTiles<Engine>>();
  const auto [b, h, first] = rows_of_block<Engine>(a.queries, a.heads);
  const HeadView<T> head = a.head(b, h);
  const int end = head.seen(min(first + Engine::kRows, a.queries) - 1);
  const RowTerms<Scores, T> terms(a, b, h, first);

  typename Engine::Sums sums;
  a.load_queries(t.q, a.q, b, h, first);
  a.load_queries(t.dy, a.dy, b, h, first);
  for (int key = 0; key < end; key += Engine::kCols) {
    __syncthreads();  // all have read the last k and v
    a.load_keys(t.k, a.k, b, h, key, end);
    a.load_keys(t.v, a.v, b, h, key, end);
    Engine::wait_for_loads();
    __syncthreads();  // k and v are there
    Scores s, ds;
    s.add_dots(t.q, t.k);
    ds.add_dots(t.dy, t.v);
    terms.make_ds(head, first, key, s, ds);
    sums.add_weighted(ds, t.k, t.weights);
  }
  a.store(dq, b, h, first, a.queries, sums, [&](int) { return a.scale; });
}

// One block for each tile of keys: the rows are keys here and the columns queries.
template <class Engine, class T = typename Engine::Element>
__global__ void __launch_bounds__(Engine::kThreads, 1)
    attention_grad_keys(const __grid_constant__ AttentionView<T> a, T* dk, T* dv) {
  using Scores = typename Engine::Scores;
  auto& t = *dynamic_shared<KeyTiles<Engine>>();
  const auto [b, h, first] = rows_of_block<Engine>(a.keys, a.heads);
  const HeadView<T> head = a.head(b, h);
  const int begin = first < head.length ? head.first_query(first) / Engine::kCols * Engine::kCols : a.queries;

  typename Engine::Sums dk_sums, dv_sums;
  a.load_keys(t.k, a.k, b, h, first, head.length);
  a.load_keys(t.v, a.v, b, h, first, head.length);
  for (int query = begin; query < a.queries; query += Engine::kCols) {
    __syncthreads();  // all have read the last q, dy and their rows' terms
    a.load_queries(t.q, a.q, b, h, query);
    a.load_queries(t.dy, a.dy, b, h, query);
    for (int n = static_cast<int>(threadIdx.x); n < Engine::kCols; n += Engine::kThreads) {
      const bool inside = query + n < a.queries;
      t.lse[n] = inside ? a.lse[a.row_offset(b, h) + query + n] : INFINITY;
      t.pull[n] = inside ? a.pull[a.row_offset(b, h) + query + n] : 0.0f;
    }
    Engine::wait_for_loads();
    __syncthreads();  // and now the next are there
    Scores p, ds;
    p.add_dots(t.k, t.q);
    GRAFT_UNROLL
    for (int j = 0; j < Scores::kJ; ++j) {
      const float lse = t.lse[Scores::col(j)];
      GRAFT_UNROLL
      for (int i = 0; i < Scores::kI; ++i)
        p(i, j) = expf(head.score(p(i, j), query + Scores::col(j), first + Scores::row(i)) - lse);
    }
    dv_sums.add_weighted(p, t.dy, t.weights);
    ds.add_dots(t.v, t.dy);
    GRAFT_UNROLL
    for (int j = 0; j < Scores::kJ; ++j) {
      const float pull = t.pull[Scores::col(j)];
      GRAFT_UNROLL
      for (int i = 0; i < Scores::kI; ++i) ds(i, j) = p(i, j) * (ds(i, j) - pull);
    }
    dk_sums.add_weighted(ds, t.q, t.weights);
  }
  a.store(dk, b, h, first, a.keys, dk_sums, [&](int) { return a.scale; });
  a.store(dv, b, h, first, a.keys, dv_sums, [&](int) { return 1.0f; });
}

// One block for each tile of the bias, over all batch entries and all heads that share it, in their order.
template <class Engine, class T = typename Engine::Element>
__global__ void __launch_bounds__(Engine::kThreads, 1)
    attention_grad_bias(const __grid_constant__ AttentionView<T> a, int batch, T* dbias) {
  using Scores = typename Engine::Scores;
  auto& t = *dynamic_shared<BiasTiles<Engine>>();
  const int across = (a.keys + Engine::kCols - 1) / Engine::kCols;
  const int down = (a.queries + Engine::kRows - 1) / Engine::kRows;
  const int block = static_cast<int>(blockIdx.x), bias_head = block / (across * down);
  const int first = block / across % down * Engine::kRows, key = block % across * Engine::kCols;
  const int shared_heads = a.heads / a.bias_heads, last = min(first + Engine::kRows, a.queries) - 1;

  Scores total;
  for (int n = 0; n < batch * shared_heads; ++n) {
    const int b = n / shared_heads, h = bias_head + n % shared_heads;
    const HeadView<T> head = a.head(b, h);
    const int end = head.seen(last);
    if (key >= end) continue;
    __syncthreads();  // all have read the last head's tiles
    a.load_queries(t.q, a.q, b, h, first);
    a.load_queries(t.dy, a.dy, b, h, first);
    a.load_keys(t.k, a.k, b, h, key, end);
    a.load_keys(t.v, a.v, b, h, key, end);
    Engine::wait_for_loads();
    __syncthreads();  // and now the next are there
    Scores s, ds;
    s.add_dots(t.q, t.k);
    ds.add_dots(t.dy, t.v);
    RowTerms<Scores, T>(a, b, h, first).make_ds(head, first, key, s, ds);
    GRAFT_UNROLL
    for (int i = 0; i < Scores::kI; ++i) {
      GRAFT_UNROLL
      for (int j = 0; j < Scores::kJ; ++j) total(i, j) += ds(i, j);
    }
  }
  GRAFT_UNROLL
  for (int i = 0; i < Scores::kI; ++i) {
    GRAFT_UNROLL
    for (int j = 0; j < Scores::kJ; ++j) {
      const int row = first + Scores::row(i), col = key + Scores::col(j);
      if (row < a.queries && col < a.keys)
        dbias[(int64_t{bias_head} * a.queries + row) * a.keys + col] = from_float<T>(total(i, j));
    }
  }
}

}  // namespace graft::kernels::cuda
