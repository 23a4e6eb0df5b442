#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("multiply, scale: any size and type") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (int64_t n : {0, 1, 3, 17, 1001}) {
        Tensor a = random_tensor({n}, 1, dtype), b = random_tensor({n}, 2, dtype);
        Tensor p = a.to(DType::f64).clone(), q = b.to(DType::f64), halves = p.clone();
        for (int64_t i = 0; i < n; ++i) {
          p.data<double>()[i] *= q.data<double>()[i];
          halves.data<double>()[i] *= -2.5;
        }
        Var left(a.to(device)), right(b.to(device));
        CHECK(max_relative_difference(multiply(left, right).value().to(kCpu), p) <= tolerance(dtype));
        CHECK(max_relative_difference(scale(left, -2.5).value().to(kCpu), halves) <= tolerance(dtype));
      }
    }
  });
}

TEST_CASE("multiply, scale: gradient, and of a value times itself") {
  on_every_cpu_level([] {
    check_gradients([](const std::vector<Var>& v) { return multiply(v[0], v[1]); },
                    {random_tensor({2, 3}, 1), random_tensor({2, 3}, 2)});
    check_gradients([](const std::vector<Var>& v) { return multiply(v[0], v[0]); },
                    {random_tensor({2, 3}, 1)});
    check_gradients([](const std::vector<Var>& v) { return scale(v[0], 0.3); }, {random_tensor({2, 3}, 1)});
  });
  check_devices_agree([](const std::vector<Var>& v) { return scale(multiply(v[0], v[1]), 0.3); },
                      {random_tensor({5, 301}, 1), random_tensor({5, 301}, 2)}, {.looser = 2});
  Var fixed(random_tensor({3}, 1)), trained(random_tensor({3}, 2), true);
  backward(sum(multiply(fixed, trained)));
  CHECK(bit_equal(trained.grad(), fixed.value()));
  CHECK_FALSE(fixed.grad().defined());
}

TEST_CASE("multiply: errors") {
  check_throws<Error>(
      [] {
        multiply(Var(Tensor::zeros({2, 3})), Var(Tensor::zeros({3, 2})));
      },
      {"multiply", "[2, 3]", "[3, 2]"});
  check_throws<Error>([] { multiply(Var(Tensor::zeros({2})), Var(Tensor::zeros({2}, DType::f64))); },
                      {"multiply", "f32", "f64"});
}
