#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "kernels/unary.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

Tensor from(std::vector<double> values, DType dtype) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())}).to(dtype);
}

Tensor value_of(Var (*f)(const Var&), const Tensor& x, Device device) {
  return f(Var(x.to(device))).value().to(kCpu);
}

Tensor gradient_of(Var (*f)(const Var&), const Tensor& x, Device device) {
  Var v(x.to(device), true);
  backward(f(v), Tensor::full(x.shape(), 1, x.dtype(), device));
  return v.grad().to(kCpu);
}

}  // namespace

TEST_CASE("relu, relu6: values and slopes, at the corners too") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      Tensor x = from({-2, -0.0, 0, 0.5, 5.5, 6, 7}, dtype);
      CHECK(max_relative_difference(value_of(relu, x, device), from({0, 0, 0, 0.5, 5.5, 6, 7}, dtype)) == 0);
      CHECK(max_relative_difference(value_of(relu6, x, device), from({0, 0, 0, 0.5, 5.5, 6, 6}, dtype)) == 0);
      CHECK(max_relative_difference(gradient_of(relu, x, device), from({0, 0, 0, 1, 1, 1, 1}, dtype)) == 0);
      CHECK(max_relative_difference(gradient_of(relu6, x, device), from({0, 0, 0, 1, 1, 0, 0}, dtype)) == 0);
    }
  });
}

TEST_CASE("relu, relu6: a NaN is not hidden") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      Tensor x = Tensor::full({19}, std::numeric_limits<double>::quiet_NaN(), dtype);
      for (auto f : {relu, relu6}) {
        Tensor y = value_of(f, x, device).to(DType::f64);
        for (double v : y.span<double>()) CHECK(std::isnan(v));
      }
    }
  });
}

TEST_CASE("relu, relu6: any size, aligned or not") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (int64_t n : {0, 1, 3, 7, 8, 17, 1001, 70001}) {
        Tensor x = random_tensor({n + 1}, 1);
        kernels::scale(x, 4, x);
        x = x.to(dtype);
        for (int64_t skip : {0, 1}) {
          Tensor part = x.slice(0, skip, n + skip), expected = part.to(DType::f64).clone();
          Tensor there = x.to(device).slice(0, skip, n + skip);
          Tensor y = relu(Var(there)).value().to(kCpu), z = relu6(Var(there)).value().to(kCpu);
          for (double& v : expected.span<double>()) v = std::max(v, 0.0);
          CHECK(bit_equal(y, expected.to(dtype)));
          for (double& v : expected.span<double>()) v = std::min(v, 6.0);
          CHECK(bit_equal(z, expected.to(dtype)));
        }
      }
    }
  });
}

TEST_CASE("relu, relu6: gradient") {
  on_every_cpu_level([] {
    Tensor x = random_tensor({3, 7}, 2);
    kernels::scale(x, 5, x);
    check_gradients([](const std::vector<Var>& v) { return relu(v[0]); }, {x});
    check_gradients([](const std::vector<Var>& v) { return relu6(v[0]); }, {x});
  });
  Tensor x = random_tensor({7, 301}, 2);
  kernels::scale(x, 5, x);
  check_devices_agree([](const std::vector<Var>& v) { return relu(v[0]); }, {x});
  check_devices_agree([](const std::vector<Var>& v) { return relu6(v[0]); }, {x});
}

TEST_CASE("relu: a view is read in its own order") {
  Tensor x = random_tensor({3, 4}, 3);
  CHECK(bit_equal(relu(Var(x.transpose(0, 1))).value(), relu(Var(x)).value().transpose(0, 1)));
}

TEST_CASE("relu: errors") {
  check_throws<Error>([] { relu(Var(Tensor::zeros({2}, DType::i64))); }, {"relu", "f32 or f64", "i64"});
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    check_throws<Error>([&] { relu(Var(Tensor::zeros({2}, DType::f64, device))); },
                        {"relu", "f32 or bf16", "f64"});
  }
}

TEST_CASE("scale: times a number") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      Tensor x = from({1, -2, 3}, dtype).to(device), y = x.empty_like();
      kernels::scale(x, 0.5, y);
      CHECK(max_relative_difference(y.to(kCpu), from({0.5, -1, 1.5}, dtype)) == 0);
    }
  });
}
