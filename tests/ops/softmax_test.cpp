#include <cmath>

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("softmax: rows sum to one and keep the ratios of the exponentials") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (Shape shape : {Shape{1, 1}, Shape{3, 5}, Shape{2, 3, 17}, Shape{7, 1000}, Shape{2, 3001}}) {
        Tensor x = random_tensor(shape, 1, dtype), x64 = x.to(DType::f64);
        Tensor y = softmax(Var(x.to(device))).value().to(kCpu).to(DType::f64);
        int64_t cols = shape.back();
        for (int64_t i = 0; i < x.numel() / cols; ++i) {
          double sum = 0;
          for (int64_t j = 0; j < cols; ++j) sum += std::exp(x64.data<double>()[i * cols + j]);
          for (int64_t j = 0; j < cols; ++j) {
            double expected = std::exp(x64.data<double>()[i * cols + j]) / sum;
            CHECK(y.data<double>()[i * cols + j] ==
                  doctest::Approx(expected).epsilon(tolerance(dtype)).scale(0));
          }
        }
      }
    }
  });
}

TEST_CASE("softmax: large inputs do not overflow") {
  on_every_device([](Device device) {
    Tensor x = Tensor::from<float>(std::vector<float>{1000, 1000, -1000}, {1, 3}).to(device);
    Tensor y = softmax(Var(x)).value().to(kCpu);
    CHECK(y.data<float>()[0] == 0.5f);
    CHECK(y.data<float>()[2] == 0);
  });
}

TEST_CASE("softmax: no rows") {
  on_every_device([](Device device) {
    CHECK(softmax(Var(Tensor::zeros({0, 3}, DType::f32, device))).value().numel() == 0);
  });
}

TEST_CASE("softmax: gradient") {
  on_every_cpu_level([] {
    check_gradients([](const std::vector<Var>& v) { return softmax(v[0]); }, {random_tensor({3, 5}, 2)});
  });
  for (Shape shape : {Shape{1, 1}, Shape{3, 5}, Shape{9, 1023}, Shape{2, 1537}, Shape{0, 3}}) {
    check_devices_agree([](const std::vector<Var>& v) { return softmax(v[0]); }, {random_tensor(shape, 2)});
  }
}

TEST_CASE("softmax: errors") {
  check_throws<Error>([] { softmax(Var(Tensor::full({}, 1))); }, {"softmax", "[]"});
}
