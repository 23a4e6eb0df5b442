#include <cmath>

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("softmax: rows sum to one and keep the ratios of the exponentials") {
  on_every_cpu_level([] {
    for (DType dtype : {DType::f32, DType::f64}) {
      for (Shape shape : {Shape{1, 1}, Shape{3, 5}, Shape{2, 3, 17}, Shape{7, 1000}}) {
        Tensor x = random_tensor(shape, 1, dtype);
        Tensor y = softmax(Var(x)).value().to(DType::f64), x64 = x.to(DType::f64);
        int64_t cols = shape.back();
        for (int64_t i = 0; i < x.numel() / cols; ++i) {
          double sum = 0;
          for (int64_t j = 0; j < cols; ++j) sum += std::exp(x64.data<double>()[i * cols + j]);
          for (int64_t j = 0; j < cols; ++j) {
            double expected = std::exp(x64.data<double>()[i * cols + j]) / sum;
            CHECK(y.data<double>()[i * cols + j] ==
                  doctest::Approx(expected).epsilon(dtype == DType::f32 ? 1e-5 : 1e-12));
          }
        }
      }
    }
  });
}

TEST_CASE("softmax: large inputs do not overflow") {
  Tensor y = softmax(Var(Tensor::from<float>(std::vector<float>{1000, 1000, -1000}, {1, 3}))).value();
  CHECK(y.data<float>()[0] == 0.5f);
  CHECK(y.data<float>()[2] == 0);
}

TEST_CASE("softmax: no rows") {
  CHECK(softmax(Var(Tensor::zeros({0, 3}))).value().numel() == 0);
}

TEST_CASE("softmax: gradient") {
  on_every_cpu_level([] {
    check_gradients([](const std::vector<Var>& v) { return softmax(v[0]); }, {random_tensor({3, 5}, 2)});
  });
}

TEST_CASE("softmax: errors") {
  check_throws<Error>([] { softmax(Var(Tensor::full({}, 1))); }, {"softmax", "[]"});
}
