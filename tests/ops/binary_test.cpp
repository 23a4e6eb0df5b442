#include "kernels/binary.h"

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("add, multiply: any size and type") {
  on_every_cpu_level([] {
    for (int64_t n : {0, 1, 3, 17, 1001, 70001}) {
      Tensor a = random_tensor({n}, 1, DType::f32), b = random_tensor({n}, 2, DType::f32),
             product = a.empty_like();
      Tensor sum = add(Var(a), Var(b)).value();
      kernels::multiply(a, b, product);
      int64_t wrong = 0;
      for (int64_t i = 0; i < n; ++i) {
        wrong += sum.data<float>()[i] != a.data<float>()[i] + b.data<float>()[i];
        wrong += product.data<float>()[i] != a.data<float>()[i] * b.data<float>()[i];
      }
      CHECK(wrong == 0);
    }
    Tensor c = random_tensor({3, 5}, 3), d = random_tensor({3, 5}, 4);
    CHECK(add(Var(c), Var(d)).value().data<double>()[7] == c.data<double>()[7] + d.data<double>()[7]);
  });
}

TEST_CASE("multiply_scalar: by the only element of a tensor") {
  on_every_cpu_level([] {
    Tensor a = random_tensor({17}, 1), y = a.empty_like();
    kernels::multiply_scalar(a, Tensor::full({}, 3, DType::f64), y);
    for (int64_t i = 0; i < 17; ++i) CHECK(y.data<double>()[i] == 3 * a.data<double>()[i]);
  });
}

TEST_CASE("add: gradient, and of a value added to itself") {
  check_gradients([](const std::vector<Var>& v) { return add(v[0], v[1]); },
                  {random_tensor({2, 3}, 1), random_tensor({2, 3}, 2)});
  check_gradients([](const std::vector<Var>& v) { return add(v[0], v[0]); }, {random_tensor({2, 3}, 1)});
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
