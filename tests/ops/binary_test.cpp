#include "kernels/binary.h"

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("add, multiply: any size and type, aligned or not") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (int64_t n : {0, 1, 3, 7, 8, 17, 1001, 70001}) {
        for (int64_t skip : {0, 1}) {
          Tensor a = random_tensor({n + 1}, 1, dtype).slice(0, skip, n + skip),
                 b = random_tensor({n}, 2, dtype);
          Tensor p = a.to(DType::f64).clone(), q = b.to(DType::f64), sums = p.empty_like(),
                 products = p.empty_like();
          for (int64_t i = 0; i < n; ++i) {
            sums.data<double>()[i] = p.data<double>()[i] + q.data<double>()[i];
            products.data<double>()[i] = p.data<double>()[i] * q.data<double>()[i];
          }
          Tensor left = random_tensor({n + 1}, 1, dtype).to(device).slice(0, skip, n + skip),
                 right = b.to(device), product = right.empty_like();
          kernels::multiply(left, right, product);
          CHECK(max_relative_difference(add(Var(left), Var(right)).value().to(kCpu), sums) <=
                tolerance(dtype));
          CHECK(max_relative_difference(product.to(kCpu), products) <= tolerance(dtype));
        }
      }
    }
  });
}

TEST_CASE("add, multiply: f32 is rounded once, on every device") {
  on_every_device([](Device device) {
    Tensor a = random_tensor({1001}, 1, DType::f32), b = random_tensor({1001}, 2, DType::f32);
    Tensor product = Tensor::empty({1001}, DType::f32, device);
    kernels::multiply(a.to(device), b.to(device), product);
    Tensor sum = add(Var(a.to(device)), Var(b.to(device))).value().to(kCpu);
    product = product.to(kCpu);
    int64_t wrong = 0;
    for (int64_t i = 0; i < 1001; ++i) {
      wrong += sum.data<float>()[i] != a.data<float>()[i] + b.data<float>()[i];
      wrong += product.data<float>()[i] != a.data<float>()[i] * b.data<float>()[i];
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("multiply_scalar: by the only element of a tensor") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      Tensor a = random_tensor({17}, 1, dtype), y = a.to(device).empty_like();
      kernels::multiply_scalar(a.to(device), Tensor::full({}, 3, dtype, device), y);
      Tensor expected = a.to(DType::f64).clone();
      for (double& v : expected.span<double>()) v *= 3;
      CHECK(bit_equal(y.to(kCpu), expected.to(dtype)));
    }
  });
}

TEST_CASE("add: gradient, and of a value added to itself") {
  check_gradients([](const std::vector<Var>& v) { return add(v[0], v[1]); },
                  {random_tensor({2, 3}, 1), random_tensor({2, 3}, 2)});
  check_gradients([](const std::vector<Var>& v) { return add(v[0], v[0]); }, {random_tensor({2, 3}, 1)});
  check_devices_agree([](const std::vector<Var>& v) { return add(add(v[0], v[1]), v[0]); },
                      {random_tensor({5, 301}, 1), random_tensor({5, 301}, 2)});
}

TEST_CASE("add: errors") {
  check_throws<Error>(
      [] {
        add(Var(Tensor::zeros({2, 3})), Var(Tensor::zeros({3, 2})));
      },
      {"add", "[2, 3]", "[3, 2]"});
  check_throws<Error>([] { add(Var(Tensor::zeros({2})), Var(Tensor::zeros({2}, DType::f64))); },
                      {"add", "f32", "f64"});
}
