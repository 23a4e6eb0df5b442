#include "kernels/reduce.h"

#include <cmath>

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("sum, mean: as accurate as the result's type, at a million elements") {
  on_every_device([](Device device) {
    for (int64_t n : {1, 2, 31, 33, 16384, 16385, 1000003}) {
      Tensor x = random_tensor({n}, 1, DType::f32);
      for (float& v : x.span<float>()) v += 1;  // no cancellation: the relative error is meaningful
      long double exact = 0, squares = 0;
      for (float v : x.span<float>()) {
        exact += v;
        squares += static_cast<long double>(v) * v;
      }
      Tensor there = x.to(device), norm = Tensor::empty({}, DType::f64, device);
      kernels::sum_squares(there, norm);
      CHECK(norm.to(kCpu).item() == doctest::Approx(static_cast<double>(squares)).epsilon(1e-13));
      CHECK(sum(Var(there)).value().to(kCpu).item() == static_cast<float>(exact));
      CHECK(mean(Var(there)).value().to(kCpu).item() ==
            doctest::Approx(static_cast<double>(exact / n)).epsilon(1e-7));
      if (device.is_cuda()) continue;
      CHECK(sum(Var(x.to(DType::f64))).value().item() ==
            doctest::Approx(static_cast<double>(exact)).epsilon(1e-13));
    }
  });
}

TEST_CASE("sum, mean: of nothing") {
  on_every_device([](Device device) {
    Tensor nothing = Tensor::zeros({0, 3}, DType::f32, device);
    CHECK(sum(Var(nothing)).value().to(kCpu).item() == 0);
    CHECK(std::isnan(mean(Var(nothing)).value().to(kCpu).item()));
  });
}

TEST_CASE("sum: the same for any thread count") {
  check_same_for_any_threads([] {
    Tensor x = random_tensor({300001}, 1, DType::f32), squares = Tensor::empty({}, DType::f64);
    kernels::sum_squares(x, squares);
    return std::vector{sum(Var(x)).value(), sum(Var(x.to(DType::f64))).value(), squares};
  });
}

TEST_CASE("sum, mean: gradient") {
  on_every_cpu_level([] {
    check_gradients([](const std::vector<Var>& v) { return sum(v[0]); }, {random_tensor({3, 5}, 1)});
    check_gradients([](const std::vector<Var>& v) { return mean(v[0]); }, {random_tensor({3, 5}, 1)});
  });
  for (Shape shape : {Shape{1}, Shape{3, 5}, Shape{3, 7001}}) {
    check_devices_agree([](const std::vector<Var>& v) { return sum(v[0]); }, {random_tensor(shape, 1)});
    check_devices_agree([](const std::vector<Var>& v) { return mean(v[0]); }, {random_tensor(shape, 1)});
  }
}
