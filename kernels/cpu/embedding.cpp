#include "kernels/embedding.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "kernels/cpu/level_begin.h"

namespace {

// Rows that make a piece of work worth handing to a thread.
int64_t rows_per_piece(int64_t cols) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, cols));
}

// The positions of each index, in their order: those of index r are order[begin[r]] to order[begin[r + 1]].
struct Positions {
  Positions(const int64_t* indices, int64_t n, int64_t rows)
      : begin(static_cast<size_t>(rows + 1)), order(static_cast<size_t>(n)) {
    auto is_row = [rows](int64_t index) { return index >= 0 && index < rows; };
    for (int64_t i = 0; i < n; ++i) {
      if (is_row(indices[i])) ++begin[static_cast<size_t>(indices[i] + 1)];
    }
    for (size_t r = 1; r < begin.size(); ++r) begin[r] += begin[r - 1];
    std::vector<int64_t> next(begin.begin(), begin.end() - 1);
    for (int64_t i = 0; i < n; ++i) {
      if (is_row(indices[i])) order[static_cast<size_t>(next[static_cast<size_t>(indices[i])]++)] = i;
    }
  }
  std::vector<int64_t> begin, order;
};

}  // namespace

void embedding(const Tensor& table, const Tensor& indices, const Tensor& y) {
  int64_t rows = table.dim(0), cols = table.dim(1), n = indices.numel();
  const int64_t* index = indices.data<int64_t>();
  for (int64_t i = 0; i < n; ++i) {
    GRAFT_CHECK_AS(DataError, index[i] >= 0 && index[i] < rows, "embedding: index ", index[i],
                   " at position ", i, " is not a row; the table has ", rows, " rows");
  }
  with_real(table.dtype(), "embedding", [&](auto zero) {
    using T = decltype(zero);
    const T* from = table.data<T>();
    T* to = y.data<T>();
    parallel_for(n, rows_per_piece(cols), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) std::copy_n(from + index[i] * cols, cols, to + i * cols);
    });
  });
}

void embedding_grad(const Tensor& dy, const Tensor& indices, int64_t padding_index, const Tensor& dtable) {
  int64_t rows = dtable.dim(0), cols = dtable.dim(1);
  Positions positions(indices.data<int64_t>(), indices.numel(), rows);
  with_real(dy.dtype(), "embedding_grad", [&](auto zero) {
    using T = decltype(zero);
    const T* from = dy.data<T>();
    T* to = dtable.data<T>();
    parallel_for(rows, rows_per_piece(cols), [&](int64_t begin, int64_t end) {
      std::vector<double> sum(static_cast<size_t>(cols));
      for (int64_t r = begin; r < end; ++r) {
        std::fill(sum.begin(), sum.end(), 0.0);
        size_t first = static_cast<size_t>(positions.begin[static_cast<size_t>(r)]);
        size_t last = static_cast<size_t>(positions.begin[static_cast<size_t>(r + 1)]);
        for (size_t k = first; k < last && r != padding_index; ++k) {
          const T* term = from + positions.order[k] * cols;
          for (int64_t j = 0; j < cols; ++j) sum[static_cast<size_t>(j)] += static_cast<double>(term[j]);
        }
        for (int64_t j = 0; j < cols; ++j) to[r * cols + j] = static_cast<T>(sum[static_cast<size_t>(j)]);
      }
    });
  });
}

#include "kernels/cpu/level_end.h"
