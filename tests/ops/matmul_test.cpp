#include "kernels/matmul.h"

#include "core/parallel.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

// a [M, K], b [K, N], in double.
Tensor product(const Tensor& a, const Tensor& b) {
  int64_t m = a.dim(0), k = a.dim(1), n = b.dim(1);
  Tensor c = Tensor::zeros({m, n}, DType::f64);
  Tensor p = a.to(DType::f64), q = b.to(DType::f64);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t l = 0; l < k; ++l)
      for (int64_t j = 0; j < n; ++j)
        c.data<double>()[i * n + j] += p.data<double>()[i * k + l] * q.data<double>()[l * n + j];
  return c;
}

}  // namespace

TEST_CASE("matmul: three layouts, every tile edge") {
  std::vector<Shape> sizes;  // M, N, K
  for (int64_t m : {0, 1, 3, 13, 14, 15, 29}) {
    for (int64_t n : {0, 1, 15, 16, 31, 33, 65}) {
      for (int64_t k : {0, 1, 7, 129}) sizes.push_back({m, n, k});
    }
  }
  sizes.push_back({300, 40, 520});
  sizes.push_back({31, 290, 1030});
  sizes.push_back({2, 300, 4200});
  for (DType dtype : {DType::f32, DType::f64}) {
    // Sums of up to 4,200 terms in the tensor's own precision.
    double bar = dtype == DType::f32 ? 3e-6 : 1e-14;
    for (const Shape& size : sizes) {
      Tensor a = random_tensor({size[0], size[2]}, 1, dtype), b = random_tensor({size[2], size[1]}, 2, dtype);
      Tensor expected = product(a, b);
      Tensor at = a.transpose(0, 1).contiguous(), bt = b.transpose(0, 1).contiguous();
      on_every_cpu_level([&] {
        INFO(to_text(size) << " " << std::string(to_text(dtype)));
        for (int layout = 0; layout < 3; ++layout) {
          Tensor c = Tensor::full({size[0], size[1]}, 1e30, dtype);  // poison: every element must be written
          if (layout == 0) kernels::matmul_nn(a, b, c);
          if (layout == 1) kernels::matmul_nt(a, bt, {}, c);
          if (layout == 2) kernels::matmul_tn(at, b, c);
          CHECK(max_relative_difference(c, expected) <= bar);
        }
      });
    }
  }
}

TEST_CASE("matmul: an infinity or NaN stays in its row and column") {
  Tensor a = random_tensor({5, 20}, 1, DType::f32), b = random_tensor({20, 7}, 2, DType::f32);
  a.data<float>()[2 * 20 + 3] = std::numeric_limits<float>::infinity();
  Tensor c = Tensor::empty({5, 7});
  on_every_cpu_level([&] {
    kernels::matmul_nn(a, b, c);
    for (int64_t i = 0; i < 35; ++i) CHECK(std::isfinite(c.data<float>()[i]) == (i / 7 != 2));
  });
}

TEST_CASE("matmul: the same bits for any number of threads") {
  Tensor a = random_tensor({230, 700}, 1, DType::f32), b = random_tensor({700, 130}, 2, DType::f32);
  Tensor at = a.transpose(0, 1).contiguous(), bt = b.transpose(0, 1).contiguous();
  int before = threads();
  std::vector<Tensor> first;
  for (int count : {1, 2, 4}) {
    set_threads(count);
    std::vector<Tensor> c;
    for (int i = 0; i < 3; ++i) c.push_back(Tensor::empty({230, 130}));
    c.push_back(Tensor::empty({700}));
    kernels::matmul_nn(a, b, c[0]);
    kernels::matmul_nt(a, bt, {}, c[1]);
    kernels::matmul_tn(at, b, c[2]);
    kernels::sum_rows(a, c[3]);
    if (first.empty()) first = c;
    for (size_t i = 0; i < c.size(); ++i) CHECK(bit_equal(c[i], first[i]));
  }
  set_threads(before);
}

TEST_CASE("sum_rows: column sums") {
  for (Shape shape : {Shape{0, 3}, Shape{1, 1}, Shape{1000, 5}, Shape{129, 33}, Shape{4, 0}}) {
    Tensor a = random_tensor(shape, 1), expected = Tensor::zeros({shape[1]}, DType::f64);
    for (int64_t i = 0; i < a.numel(); ++i) expected.data<double>()[i % shape[1]] += a.data<double>()[i];
    on_every_cpu_level([&] {
      Tensor c = Tensor::full({shape[1]}, 1e30, DType::f64);
      kernels::sum_rows(a, c);
      CHECK(max_relative_difference(c, expected) <= 1e-13);
    });
  }
}
