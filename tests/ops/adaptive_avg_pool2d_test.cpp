#include <cmath>

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

// The definition in PyTorch's documentation, cell by cell, in long double.
Tensor by_definition(const Tensor& x, int64_t rows, int64_t cols) {
  Tensor y = Tensor::empty({x.dim(0), rows, cols, x.dim(3)}, DType::f64);
  auto edge = [](int64_t i, int64_t size, int64_t cells, bool up) {
    long double at = static_cast<long double>(i) * size / cells;
    return static_cast<int64_t>(up ? std::ceil(at) : std::floor(at));
  };
  double* out = y.data<double>();
  for (int64_t n = 0; n < x.dim(0); ++n) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < cols; ++j) {
        for (int64_t c = 0; c < x.dim(3); ++c) {
          long double sum = 0, count = 0;
          for (int64_t h = edge(i, x.dim(1), rows, false); h < edge(i + 1, x.dim(1), rows, true); ++h) {
            for (int64_t w = edge(j, x.dim(2), cols, false); w < edge(j + 1, x.dim(2), cols, true); ++w) {
              sum += x.data<double>()[((n * x.dim(1) + h) * x.dim(2) + w) * x.dim(3) + c];
              count += 1;
            }
          }
          *out++ = static_cast<double>(sum / count);
        }
      }
    }
  }
  return y;
}

struct Grid {
  Shape x;
  int64_t rows, cols;
};
std::vector<Grid> grids() {
  return {{{2, 7, 7, 5}, 7, 7}, {{1, 1, 1, 3}, 7, 7},  {{2, 14, 21, 4}, 7, 7}, {{1, 10, 9, 37}, 7, 7},
          {{2, 3, 5, 2}, 7, 4}, {{1, 13, 1, 1}, 2, 3}, {{0, 8, 8, 2}, 7, 7},   {{2, 6, 5, 3}, 1, 1}};
}

}  // namespace

TEST_CASE("adaptive_avg_pool2d: the mean of each cell, also where cells overlap or repeat pixels") {
  on_every_cpu_level([] {
    for (const Grid& g : grids()) {
      Tensor x = random_tensor(g.x, 1, DType::f64);
      Tensor y = adaptive_avg_pool2d(Var(x), g.rows, g.cols).value();
      CHECK(max_relative_difference(y, by_definition(x, g.rows, g.cols)) <= 1e-13);
      if (x.numel() > 0 && x.numel() < 600) {
        check_gradients([&](const std::vector<Var>& v) { return adaptive_avg_pool2d(v[0], g.rows, g.cols); },
                        {x});
      }
    }
  });
  for (const Grid& g : grids()) {
    check_devices_agree([&](const std::vector<Var>& v) { return adaptive_avg_pool2d(v[0], g.rows, g.cols); },
                        {random_tensor(g.x, 1)});
  }
}

TEST_CASE("adaptive_avg_pool2d: errors") {
  auto run = [](Shape x, int64_t rows, int64_t cols) {
    return adaptive_avg_pool2d(Var(Tensor::zeros(x)), rows, cols);
  };
  check_throws<Error>([&] { run({2, 3}, 7, 7); }, {"adaptive_avg_pool2d", "[2, 3]"});
  check_throws<Error>([&] { run({1, 0, 2, 3}, 7, 7); }, {"adaptive_avg_pool2d", "no pixels"});
  check_throws<Error>([&] { run({1, 2, 2, 3}, 0, 7); }, {"adaptive_avg_pool2d", "0 x 7"});
}
