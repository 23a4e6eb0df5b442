#include "kernels/matmul.h"

#include <cstdlib>

#include "autograd/ops.h"
#include "core/parallel.h"
#include "tests/golden.h"
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

// Sizes that are multiples of 8, which bf16 on tensor cores wants: edges of all tiles, few and many steps.
std::vector<Shape> multiples_of_8() {
  return {{8, 8, 8},        {72, 56, 136}, {64, 128, 1040}, {1288, 1032, 72},
          {136, 136, 3592}, {8, 264, 72},  {1544, 2056, 64}};
}

void check_layouts(const std::vector<Shape>& sizes, DType dtype, Device device) {
  // Sums of up to 4,200 terms in float or in the tensor's own precision; bf16 is rounded once.
  const double bar = dtype == DType::f64 ? 1e-14 : dtype == DType::f32 ? 3e-6 : 0x1p-8;
  for (const Shape& size : sizes) {
    INFO(to_text(size) << " " << std::string(to_text(dtype)));
    Tensor a = random_tensor({size[0], size[2]}, 1, dtype), b = random_tensor({size[2], size[1]}, 2, dtype);
    Tensor expected = product(a, b);
    Tensor at = a.transpose(0, 1).contiguous().to(device), bt = b.transpose(0, 1).contiguous().to(device);
    a = a.to(device);
    b = b.to(device);
    for (int layout = 0; layout < 3; ++layout) {
      // Poison: every element must be written.
      Tensor c = Tensor::full({size[0], size[1]}, 1e30, dtype, device);
      if (layout == 0) kernels::matmul_nn(a, b, c);
      if (layout == 1) kernels::matmul_nt(a, bt, {}, c);
      if (layout == 2) kernels::matmul_tn(at, b, c);
      CHECK(max_relative_difference(c.to(kCpu), expected) <= bar);
    }
  }
}

}  // namespace

TEST_CASE("matmul: three layouts, every tile edge") {
  std::vector<Shape> sizes = multiples_of_8();  // M, N, K
  for (int64_t m : {0, 1, 3, 13, 14, 15, 29}) {
    for (int64_t n : {0, 1, 15, 16, 31, 33, 65}) {
      for (int64_t k : {0, 1, 7, 129}) sizes.push_back({m, n, k});
    }
  }
  sizes.push_back({300, 40, 520});
  sizes.push_back({31, 290, 1030});
  sizes.push_back({2, 300, 4200});
  sizes.push_back({1290, 1030, 9});
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) check_layouts(sizes, dtype, device);
  });
}

TEST_CASE("matmul: bf16 on a GPU that is held to compute capability 8.0") {
  setenv("GRAFT_CAPABILITY", "80", 1);
  for (Device device : devices()) {
    if (device.is_cuda()) check_layouts(multiples_of_8(), DType::bf16, device);
  }
  unsetenv("GRAFT_CAPABILITY");
}

TEST_CASE("matmul: batches, three layouts") {
  std::vector<Shape> sizes;  // B, M, N, K
  for (int64_t b : {0, 1, 3}) {
    for (int64_t m : {0, 1, 24, 29}) {
      for (int64_t n : {1, 15, 72}) {
        for (int64_t k : {0, 1, 40}) sizes.push_back({b, m, n, k});
      }
    }
  }
  sizes.push_back({70, 9, 8, 16});
  sizes.push_back({3, 136, 72, 128});
  sizes.push_back({2, 33, 16, 1040});  // parts of the depth
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      double bar = dtype == DType::f64 ? 1e-14 : dtype == DType::f32 ? 3e-6 : 0x1p-8;
      for (const Shape& size : sizes) {
        INFO(to_text(size) << " " << std::string(to_text(dtype)));
        Tensor a = random_tensor({size[0], size[1], size[3]}, 1, dtype),
               b = random_tensor({size[0], size[3], size[2]}, 2, dtype);
        Tensor at = a.transpose(1, 2).contiguous().to(device), bt = b.transpose(1, 2).contiguous().to(device);
        Tensor there_a = a.to(device), there_b = b.to(device);
        for (int layout = 0; layout < 3; ++layout) {
          Tensor c = Tensor::full({size[0], size[1], size[2]}, 1e30, dtype, device);
          if (layout == 0) kernels::matmul_nn(there_a, there_b, c);
          if (layout == 1) kernels::matmul_nt(there_a, bt, {}, c);
          if (layout == 2) kernels::matmul_tn(at, there_b, c);
          c = c.to(kCpu);
          for (int64_t i = 0; i < size[0]; ++i) {
            auto matrix = [&](const Tensor& t) {
              return t.slice(0, i, i + 1).contiguous().reshape({t.dim(1), t.dim(2)});
            };
            CHECK(max_relative_difference(matrix(c), product(matrix(a), matrix(b))) <= bar);
          }
        }
      }
    }
  });
}

TEST_CASE("matmul: PyTorch's values and gradients") {
  Golden golden("ops.json");
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      auto there = [&](const char* name) { return golden.tensor(name, dtype).to(device); };
      auto check = [&](const Tensor& got, const Tensor& expected) {
        CHECK(max_relative_difference(got.to(kCpu), expected) <= tolerance(dtype));
      };
      Var a(there("matmul.a"), true), b(there("matmul.b"), true), bt(there("matmul.b").transpose(2, 3), true);
      Var y = matmul(a, b), y_nt = matmul_nt(a.detach(), bt);
      backward(y, there("matmul.dy"));
      backward(y_nt, there("matmul.dy"));
      check(y.value(), golden.tensor("matmul.y"));
      check(y_nt.value(), golden.tensor("matmul.y"));
      check(a.grad(), golden.tensor("matmul.da"));
      check(b.grad(), golden.tensor("matmul.db"));
      check(bt.grad().transpose(2, 3).contiguous(), golden.tensor("matmul.db"));
    }
  });
}

TEST_CASE("matmul: gradients agree with differences") {
  on_every_cpu_level([] {
    auto nn = [](const std::vector<Var>& v) { return matmul(v[0], v[1]); };
    auto nt = [](const std::vector<Var>& v) { return matmul_nt(v[0], v[1]); };
    check_gradients(nn, {random_tensor({3, 5}, 1), random_tensor({5, 2}, 2)});
    check_gradients(nn, {random_tensor({2, 1, 3, 4}, 1), random_tensor({2, 1, 4, 2}, 2)});
    check_gradients(nt, {random_tensor({3, 5}, 1), random_tensor({2, 5}, 2)});
    check_gradients(nt, {random_tensor({3, 1, 4}, 1), random_tensor({3, 2, 4}, 2)});
  });
  for (Shape shape : {Shape{1, 1}, Shape{3, 5, 7}, Shape{2, 3, 40, 24}, Shape{0, 2, 3}, Shape{2, 0, 3}}) {
    Shape right = shape, turned = shape;
    right[-2] = shape[-1];
    right[-1] = turned[-2] = 16;
    check_devices_agree([](const std::vector<Var>& v) { return matmul(v[0], v[1]); },
                        {random_tensor(shape, 1), random_tensor(right, 2)});
    check_devices_agree([](const std::vector<Var>& v) { return matmul_nt(v[0], v[1]); },
                        {random_tensor(shape, 1), random_tensor(turned, 2)});
  }
}

TEST_CASE("matmul: errors") {
  auto zeros = [](const Shape& shape, DType dtype = DType::f32) { return Var(Tensor::zeros(shape, dtype)); };
  check_throws<Error>([&] { matmul(zeros({2, 3}), zeros({4, 5})); }, {"matmul", "inner sizes 3 and 4"});
  check_throws<Error>([&] { matmul_nt(zeros({2, 3}), zeros({3, 5})); }, {"matmul_nt", "inner sizes 3 and 5"});
  check_throws<Error>([&] { matmul(zeros({3}), zeros({3, 5})); }, {"matmul", "[3]", "matrices"});
  check_throws<Error>([&] { matmul(zeros({2, 2, 3}), zeros({3, 5})); }, {"matmul", "leading axes"});
  check_throws<Error>([&] { matmul(zeros({2, 2, 3}), zeros({4, 3, 5})); }, {"matmul", "axis 0"});
  check_throws<Error>([&] { matmul(zeros({2, 3}), zeros({3, 5}, DType::f64)); }, {"matmul", "type"});
}

TEST_CASE("matmul: an infinity or NaN stays in its row and column") {
  for (DType dtype : {DType::f32, DType::bf16}) {
    Tensor a = random_tensor({5, 72}, 1, dtype), b = random_tensor({72, 136}, 2, dtype);
    Tensor row = a.slice(0, 2, 3);
    row.fill(std::numeric_limits<double>::infinity());
    on_every_device([&](Device device) {
      if (!device.is_cuda() && dtype == DType::bf16) return;
      Tensor c = Tensor::empty({5, 136}, dtype, device);
      kernels::matmul_nn(a.to(device), b.to(device), c);
      c = c.to(kCpu).to(DType::f32);
      for (int64_t i = 0; i < c.numel(); ++i) CHECK(std::isfinite(c.data<float>()[i]) == (i / 136 != 2));
    });
  }
}

TEST_CASE("matmul: the same bits for any number of threads") {
  for (Device device : devices()) {
    Tensor a = random_tensor({230, 700}, 1, DType::f32), b = random_tensor({700, 130}, 2, DType::f32);
    Tensor at = a.transpose(0, 1).contiguous().to(device), bt = b.transpose(0, 1).contiguous().to(device);
    a = a.to(device);
    b = b.to(device);
    check_same_for_any_threads([&] {
      std::vector<Tensor> c;
      for (int i = 0; i < 3; ++i) c.push_back(Tensor::empty({230, 130}, DType::f32, device));
      c.push_back(Tensor::empty({700}, DType::f32, device));
      kernels::matmul_nn(a, b, c[0]);
      kernels::matmul_nt(a, bt, {}, c[1]);
      kernels::matmul_tn(at, b, c[2]);
      kernels::sum_rows(a, c[3]);
      for (Tensor& t : c) t = t.to(kCpu);
      return c;
    });
  }
}

TEST_CASE("sum_rows: column sums") {
  for (Shape shape :
       {Shape{0, 3}, Shape{1, 1}, Shape{1000, 5}, Shape{129, 33}, Shape{4, 0}, Shape{2100, 70}}) {
    on_every_device([&](Device device) {
      for (DType dtype : float_types(device)) {
        INFO(to_text(shape) << " " << std::string(to_text(dtype)));
        Tensor a = random_tensor(shape, 1, dtype), a64 = a.to(DType::f64);
        Tensor expected = Tensor::zeros({shape[1]}, DType::f64);
        for (int64_t i = 0; i < a.numel(); ++i)
          expected.data<double>()[i % shape[1]] += a64.data<double>()[i];
        Tensor c = Tensor::full({shape[1]}, 1e30, dtype, device);
        kernels::sum_rows(a.to(device), c);
        CHECK(max_relative_difference(c.to(kCpu), expected) <= tolerance(dtype));
      }
    });
  }
}
