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

Tensor gradient_of(Var (*f)(const Var&), const Tensor& x) {
  Var v(x, true);
  backward(sum(f(v)));
  return v.grad();
}

}  // namespace

TEST_CASE("relu, relu6: values and slopes, at the corners too") {
  on_every_cpu_level([] {
    for (DType dtype : {DType::f32, DType::f64}) {
      Tensor x = from({-2, -0.0, 0, 0.5, 5.5, 6, 7}, dtype);
      CHECK(max_relative_difference(relu(Var(x)).value(), from({0, 0, 0, 0.5, 5.5, 6, 7}, dtype)) == 0);
      CHECK(max_relative_difference(relu6(Var(x)).value(), from({0, 0, 0, 0.5, 5.5, 6, 6}, dtype)) == 0);
      CHECK(max_relative_difference(gradient_of(relu, x), from({0, 0, 0, 1, 1, 1, 1}, dtype)) == 0);
      CHECK(max_relative_difference(gradient_of(relu6, x), from({0, 0, 0, 1, 1, 0, 0}, dtype)) == 0);
    }
  });
}

TEST_CASE("relu, relu6: a NaN is not hidden") {
  on_every_cpu_level([] {
    Tensor x = Tensor::full({19}, std::numeric_limits<double>::quiet_NaN());
    for (float v : relu(Var(x)).value().span<float>()) CHECK(std::isnan(v));
    for (float v : relu6(Var(x)).value().span<float>()) CHECK(std::isnan(v));
  });
}

TEST_CASE("relu, relu6: any size") {
  on_every_cpu_level([] {
    for (int64_t n : {0, 1, 3, 17, 1001, 70001}) {
      Tensor x = random_tensor({n}, 1, DType::f32), y = relu(Var(x)).value(), z = relu6(Var(x)).value();
      int64_t wrong = 0;
      for (int64_t i = 0; i < n; ++i) {
        float v = x.data<float>()[i];
        wrong += y.data<float>()[i] != std::max(v, 0.0f);
        wrong += z.data<float>()[i] != std::min(std::max(v, 0.0f), 6.0f);
      }
      CHECK(wrong == 0);
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
}

TEST_CASE("relu: a view is read in its own order") {
  Tensor x = random_tensor({3, 4}, 3);
  CHECK(bit_equal(relu(Var(x.transpose(0, 1))).value(), relu(Var(x)).value().transpose(0, 1)));
}

TEST_CASE("relu: errors") {
  check_throws<Error>([] { relu(Var(Tensor::zeros({2}, DType::i64))); }, {"relu", "f32 or f64", "i64"});
}

TEST_CASE("scale: times a number") {
  on_every_cpu_level([] {
    Tensor x = from({1, -2, 3}, DType::f32), y = x.empty_like();
    kernels::scale(x, 0.5, y);
    CHECK(max_relative_difference(y, from({0.5, -1, 1.5}, DType::f32)) == 0);
  });
}
