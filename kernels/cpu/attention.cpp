#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

namespace {

// Queries and keys of a tile. Its scores, and a tile of K and of V, stay in the L1 and L2 caches.
constexpr int64_t kTile = 64;
// Rows of a tile are padded with zeros to whole vectors of every level.
constexpr int64_t kPadding = 16;

// c[i][j] += sum over k of a(i, k) b[k][j], with a(i, k) = a[i * a_row + k * a_col], for kRows rows and
// kVectors vectors of columns.
template <class T, int kRows, int kVectors>
void add_block(int64_t depth, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row, T* c,
               int64_t c_row) {
  Vec<T> sum[kRows][kVectors];
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) sum[i][v] = load(c + i * c_row + v * kLanes<T>);
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vec<T> right[kVectors];
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + k * b_row + v * kLanes<T>);
    for (int i = 0; i < kRows; ++i) {
      for (int v = 0; v < kVectors; ++v) sum[i][v] += a[i * a_row + k * a_col] * right[v];
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kVectors; ++v) store(c + i * c_row + v * kLanes<T>, sum[i][v]);
  }
}

// The same for `rows`, a multiple of 4, and `cols`, a multiple of kPadding.
template <class T>
void add_product(int64_t rows, int64_t cols, int64_t depth, const T* a, int64_t a_row, int64_t a_col,
                 const T* b, int64_t b_row, T* c, int64_t c_row) {
  constexpr int64_t lanes = kLanes<T>;
  for (int64_t i = 0; i < rows; i += 4) {
    int64_t j = 0;
    for (; j + 2 * lanes <= cols; j += 2 * lanes)
      add_block<T, 4, 2>(depth, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row);
    for (; j < cols; j += lanes)
      add_block<T, 4, 1>(depth, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row);
  }
}

// Sizes, and where the rows of one head of one batch entry are.
template <class T>
struct Sizes {
  explicit Sizes(const AttentionArguments& arguments)
      : of(arguments),
        batch(of.q.dim(0)),
        queries(of.q.dim(1)),
        keys(of.k.dim(1)),
        heads(of.q.dim(2)),
        head_size(of.q.dim(3)),
        padded((head_size + kPadding - 1) / kPadding * kPadding),
        query_tiles((queries + kTile - 1) / kTile),
        lengths(of.lengths.defined() ? of.lengths.data<int64_t>() : nullptr) {}

  int64_t length(int64_t b) const { return lengths ? lengths[b] : keys; }
  // Keys from here on are hidden from all queries before `query_end`.
  int64_t visible(int64_t b, int64_t query_end) const {
    return of.causal ? std::clamp<int64_t>(query_end + keys - queries, 0, length(b)) : length(b);
  }
  T* lse(int64_t b, int64_t h) const { return of.lse.data<T>() + (b * heads + h) * queries; }

  // Rows [first, first + kTile) of a head as a padded tile [kTile][padded], times `factor`; rows from `end`
  // on are 0.
  void gather(const Tensor& t, int64_t b, int64_t h, int64_t first, int64_t end, T factor, T* out) const {
    std::fill_n(out, kTile * padded, T(0));
    for (int64_t i = 0; i < std::min(kTile, end - first); ++i) {
      const T* from = row(t, b, h, first + i);
      for (int64_t d = 0; d < head_size; ++d) out[i * padded + d] = from[d] * factor;
    }
  }
  // The same as [padded][kTile].
  void gather_turned(const Tensor& t, int64_t b, int64_t h, int64_t first, int64_t end, T* out) const {
    std::fill_n(out, kTile * padded, T(0));
    for (int64_t i = 0; i < std::min(kTile, end - first); ++i) {
      const T* from = row(t, b, h, first + i);
      for (int64_t d = 0; d < head_size; ++d) out[d * kTile + i] = from[d];
    }
  }
  void scatter(const Tensor& t, int64_t b, int64_t h, int64_t first, int64_t end, const T* from) const {
    for (int64_t i = first; i < end; ++i)
      std::copy_n(from + (i - first) * padded, head_size, row(t, b, h, i));
  }
  T* row(const Tensor& t, int64_t b, int64_t h, int64_t i) const {
    return t.data<T>() + ((b * t.dim(1) + i) * heads + h) * head_size;
  }

  const AttentionArguments& of;
  int64_t batch, queries, keys, heads, head_size, padded, query_tiles;
  const int64_t* lengths;  // or null
};

// Working memory of one piece of work: tiles named by what they hold.
template <class T>
struct Tiles {
  explicit Tiles(int64_t padded)
      : q(size(padded)), k(q), k_turned(q), v(q), v_turned(q), dy(q), sum(q), s(kTile * kTile), ds(s) {}
  static size_t size(int64_t padded) { return static_cast<size_t>(kTile * padded); }
  std::vector<T> q, k, k_turned, v, v_turned, dy, sum;
  std::vector<T> s, ds;
};

// The rows of a tile of queries that are there, in whole blocks of add_product: a single new token costs a
// block of them, not a tile.
template <class T>
int64_t rows_to_compute(const Sizes<T>& z, int64_t query) {
  return (std::min(kTile, z.queries - query) + 3) / 4 * 4;
}

// s = q k^T + bias where a key is visible, else -inf; of queries that are not there, anything.
template <class T>
void score_tile(const Sizes<T>& z, Tiles<T>& t, int64_t b, int64_t h, int64_t query, int64_t key) {
  int64_t rows = rows_to_compute(z, query);
  std::fill_n(t.s.data(), rows * kTile, T(0));
  add_product(rows, kTile, z.head_size, t.q.data(), z.padded, int64_t{1}, t.k_turned.data(), kTile,
              t.s.data(), kTile);
  const Tensor& bias = z.of.bias;
  for (int64_t i = 0; i < std::min(kTile, z.queries - query); ++i) {
    T* s = t.s.data() + i * kTile;
    int64_t seen = std::clamp<int64_t>(z.visible(b, query + i + 1) - key, 0, kTile);
    if (bias.defined()) {
      int64_t head = bias.dim(0) == 1 ? 0 : h;
      const T* add = bias.data<T>() + (head * z.queries + query + i) * z.keys + key;
      for (int64_t j = 0; j < seen; ++j) s[j] += add[j];
    }
    std::fill(s + seen, s + kTile, -std::numeric_limits<T>::infinity());
  }
}

// One tile of queries: a running maximum and sum for each row while the keys go by.
template <class T>
void attend(const Sizes<T>& z, Tiles<T>& t, int64_t b, int64_t h, int64_t query) {
  constexpr T kNone = -std::numeric_limits<T>::infinity();
  int64_t query_end = std::min(z.queries, query + kTile);
  T highest[kTile], total[kTile] = {};
  std::fill_n(highest, kTile, kNone);
  std::fill(t.sum.begin(), t.sum.end(), T(0));
  z.gather(z.of.q, b, h, query, query_end, static_cast<T>(z.of.scale), t.q.data());
  int64_t key_end = z.visible(b, query_end);
  for (int64_t key = 0; key < key_end; key += kTile) {
    z.gather_turned(z.of.k, b, h, key, key_end, t.k_turned.data());
    z.gather(z.of.v, b, h, key, key_end, T(1), t.v.data());
    score_tile(z, t, b, h, query, key);
    for (int64_t i = 0; i < query_end - query; ++i) {
      T *s = t.s.data() + i * kTile, *sum = t.sum.data() + i * z.padded;
      T before = highest[i];
      for (int64_t j = 0; j < kTile; ++j) highest[i] = std::max(highest[i], s[j]);
      if (highest[i] == kNone) {  // nothing visible so far
        std::fill_n(s, kTile, T(0));
        continue;
      }
      T shrink = std::exp(before - highest[i]);
      total[i] *= shrink;
      for (int64_t j = 0; j < kTile; ++j) total[i] += s[j] = std::exp(s[j] - highest[i]);
      for (int64_t d = 0; d < z.padded; ++d) sum[d] *= shrink;
    }
    add_product(rows_to_compute(z, query), z.padded, kTile, t.s.data(), kTile, int64_t{1}, t.v.data(),
                z.padded, t.sum.data(), z.padded);
  }
  for (int64_t i = 0; i < query_end - query; ++i) {
    bool seen = highest[i] != kNone;
    for (int64_t d = 0; d < z.padded && seen; ++d) t.sum[static_cast<size_t>(i * z.padded + d)] /= total[i];
    z.lse(b, h)[query + i] = seen ? highest[i] + std::log(total[i]) : -kNone;
  }
  z.scatter(z.of.y, b, h, query, query_end, t.sum.data());
}

// From scores to p in t.s and ds in t.ds; t.dy and t.v_turned are there. `pull` is dy . y of each row.
template <class T>
void grad_tile(const Sizes<T>& z, Tiles<T>& t, const T* pull, const T* lse, int64_t rows) {
  std::fill(t.ds.begin(), t.ds.end(), T(0));
  add_product(kTile, kTile, z.head_size, t.dy.data(), z.padded, int64_t{1}, t.v_turned.data(), kTile,
              t.ds.data(), kTile);
  for (int64_t i = 0; i < kTile; ++i) {
    T *s = t.s.data() + i * kTile, *ds = t.ds.data() + i * kTile;
    for (int64_t j = 0; j < kTile; ++j) {
      s[j] = i < rows ? std::exp(s[j] - lse[i]) : T(0);
      ds[j] = s[j] * (ds[j] - pull[i]);
    }
  }
}

// q, dy and dy . y of a tile of queries.
template <class T>
void gather_queries(const Sizes<T>& z, const Tensor& all_dy, Tiles<T>& t, int64_t b, int64_t h, int64_t query,
                    T* pull) {
  z.gather(z.of.q, b, h, query, z.queries, static_cast<T>(z.of.scale), t.q.data());
  z.gather(all_dy, b, h, query, z.queries, T(1), t.dy.data());
  for (int64_t i = 0; i < kTile; ++i) {
    pull[i] = 0;
    if (query + i >= z.queries) continue;
    const T *y = z.row(z.of.y, b, h, query + i), *dy = t.dy.data() + i * z.padded;
    for (int64_t d = 0; d < z.head_size; ++d) pull[i] += dy[d] * y[d];
  }
}

// dq, dk and dv of one head of one batch entry.
template <class T>
void grad_head(const Sizes<T>& z, const AttentionGradArguments& g, int64_t b, int64_t h) {
  Tiles<T> t(z.padded);
  int64_t length = z.length(b), padded_keys = (z.keys + kTile - 1) / kTile * kTile;
  std::vector<T> dk(static_cast<size_t>(padded_keys * z.padded)), dv(dk);
  for (int64_t query = 0; query < z.queries; query += kTile) {
    int64_t query_end = std::min(z.queries, query + kTile), key_end = z.visible(b, query_end);
    T pull[kTile];
    gather_queries(z, g.dy, t, b, h, query, pull);
    std::fill(t.sum.begin(), t.sum.end(), T(0));
    for (int64_t key = 0; key < key_end; key += kTile) {
      z.gather_turned(z.of.k, b, h, key, length, t.k_turned.data());
      z.gather_turned(z.of.v, b, h, key, length, t.v_turned.data());
      z.gather(z.of.k, b, h, key, length, static_cast<T>(z.of.scale), t.k.data());
      score_tile(z, t, b, h, query, key);
      grad_tile(z, t, pull, z.lse(b, h) + query, query_end - query);
      add_product(kTile, z.padded, kTile, t.ds.data(), kTile, int64_t{1}, t.k.data(), z.padded, t.sum.data(),
                  z.padded);
      // t.q has the scale in it.
      add_product(kTile, z.padded, kTile, t.ds.data(), int64_t{1}, kTile, t.q.data(), z.padded,
                  dk.data() + key * z.padded, z.padded);
      add_product(kTile, z.padded, kTile, t.s.data(), int64_t{1}, kTile, t.dy.data(), z.padded,
                  dv.data() + key * z.padded, z.padded);
    }
    if (g.dq.defined()) z.scatter(g.dq, b, h, query, query_end, t.sum.data());
  }
  if (!g.dk.defined()) return;
  z.scatter(g.dk, b, h, 0, z.keys, dk.data());
  z.scatter(g.dv, b, h, 0, z.keys, dv.data());
}

// Rows [query, query + kTile) of one head of dbias: ds, summed over the batch in its order, and over the
// heads where they share the bias.
template <class T>
void grad_bias(const Sizes<T>& z, const AttentionGradArguments& g, int64_t bias_head, int64_t query) {
  Tiles<T> t(z.padded);
  int64_t query_end = std::min(z.queries, query + kTile), shared = z.heads / g.dbias.dim(0);
  T* out = g.dbias.data<T>() + (bias_head * z.queries + query) * z.keys;
  std::fill_n(out, (query_end - query) * z.keys, T(0));
  for (int64_t n = 0; n < z.batch * shared; ++n) {
    int64_t b = n / shared, h = bias_head + n % shared;
    T pull[kTile];
    gather_queries(z, g.dy, t, b, h, query, pull);
    int64_t key_end = z.visible(b, query_end);
    for (int64_t key = 0; key < key_end; key += kTile) {
      z.gather_turned(z.of.k, b, h, key, key_end, t.k_turned.data());
      z.gather_turned(z.of.v, b, h, key, key_end, t.v_turned.data());
      score_tile(z, t, b, h, query, key);
      grad_tile(z, t, pull, z.lse(b, h) + query, query_end - query);
      for (int64_t i = 0; i < query_end - query; ++i) {
        for (int64_t j = 0; j < std::min(kTile, key_end - key); ++j)
          out[i * z.keys + key + j] += t.ds[static_cast<size_t>(i * kTile + j)];
      }
    }
  }
}

void check_lengths(const AttentionArguments& a) {
  if (!a.lengths.defined()) return;
  for (int64_t b = 0; b < a.lengths.numel(); ++b) {
    int64_t length = a.lengths.data<int64_t>()[b];
    GRAFT_CHECK_AS(DataError, length >= 0 && length <= a.k.dim(1), "attention: length ", length,
                   " of batch entry ", b, " is not from 0 to the ", a.k.dim(1), " keys");
  }
}

}  // namespace

void attention(const AttentionArguments& a) {
  check_lengths(a);
  with_real(a.q.dtype(), "attention", [&](auto zero) {
    using T = decltype(zero);
    Sizes<T> z(a);
    parallel_for(z.batch * z.heads * z.query_tiles, 1, [&](int64_t begin, int64_t end) {
      Tiles<T> tiles(z.padded);
      for (int64_t n = begin; n < end; ++n) {
        int64_t head = n / z.query_tiles;
        attend(z, tiles, head / z.heads, head % z.heads, n % z.query_tiles * kTile);
      }
    });
  });
}

void attention_grad(const AttentionGradArguments& g) {
  with_real(g.of.q.dtype(), "attention_grad", [&](auto zero) {
    using T = decltype(zero);
    Sizes<T> z(g.of);
    if (g.dq.defined() || g.dk.defined()) {
      parallel_for(z.batch * z.heads, 1, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) grad_head(z, g, n / z.heads, n % z.heads);
      });
    }
    if (!g.dbias.defined()) return;
    parallel_for(g.dbias.dim(0) * z.query_tiles, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) grad_bias(z, g, n / z.query_tiles, n % z.query_tiles * kTile);
    });
  });
}

#include "kernels/cpu/level_end.h"
