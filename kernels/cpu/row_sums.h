// Sums along a row and over rows, for the norms of rows. Like the other files beside it, it is included
// between level_begin.h and level_end.h.

namespace {

// sum of f(j) for j < n, in double. Sixteen sums run side by side, which makes vector code of them, at every
// level in the same order.
template <class F>
double sum_along(int64_t n, F f) {
  constexpr int64_t kSums = 16;
  double sums[kSums] = {};
  int64_t j = 0;
  for (; j + kSums <= n; j += kSums) {
    for (int64_t k = 0; k < kSums; ++k) sums[k] += static_cast<double>(f(j + k));
  }
  for (int64_t k = 0; j < n; ++j, ++k) sums[k] += static_cast<double>(f(j));
  for (int64_t half = kSums / 2; half > 0; half /= 2) {
    for (int64_t k = 0; k < half; ++k) sums[k] += sums[k + half];
  }
  return sums[0];
}

// How many rows make a piece of work that is worth handing to a thread.
inline int64_t rows_per_piece(int64_t cols) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, cols));
}

// f(row) for each row, on all threads.
template <class F>
void for_each_row(int64_t rows, int64_t cols, F f) {
  parallel_for(rows, rows_per_piece(cols), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) f(row);
  });
}

// Sums over the rows of [rows, cols], column by column, `count` at once: add(row, sums) adds a row's terms to
// sums[count * cols]. The rows are cut into pieces as a function of the sizes alone, each with sums of its
// own, which are then added in their order.
template <class F>
std::vector<double> sum_over_rows(int64_t rows, int64_t cols, int64_t count, F add) {
  int64_t each =
      std::max<int64_t>(std::max<int64_t>(1, 65536 / std::max<int64_t>(1, cols)), (rows + 63) / 64);
  int64_t pieces = (rows + each - 1) / each, width = count * cols;
  std::vector<double> sums(static_cast<size_t>(std::max<int64_t>(1, pieces) * width));
  parallel_for(rows, each, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) add(row, sums.data() + begin / each * width);
  });
  for (int64_t p = 1; p < pieces; ++p) {
    for (int64_t j = 0; j < width; ++j)
      sums[static_cast<size_t>(j)] += sums[static_cast<size_t>(p * width + j)];
  }
  sums.resize(static_cast<size_t>(width));
  return sums;
}

}  // namespace
