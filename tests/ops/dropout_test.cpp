#include <cmath>

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("dropout: keeps about 1 - p of the elements, scaled so that the mean stays") {
  on_every_cpu_level([] {
    for (DType dtype : {DType::f32, DType::f64}) {
      for (double p : {0.1, 0.5, 0.9}) {
        constexpr int64_t n = 100001;
        Tensor y = dropout(Var(Tensor::full({n}, 1, dtype)), p, 7).value().to(DType::f64);
        int64_t kept = 0, wrong = 0;
        for (double v : y.span<double>()) {
          kept += v != 0;
          wrong += v != 0 && std::abs(v - 1 / (1 - p)) > 1e-6 / (1 - p);
        }
        CHECK(wrong == 0);
        CHECK(std::abs(static_cast<double>(kept) - n * (1 - p)) < 4 * std::sqrt(n * p * (1 - p)));
      }
    }
  });
}

TEST_CASE("dropout: a function of seed and index alone") {
  Tensor x = Tensor::full({40003}, 1);
  Tensor y = dropout(Var(x), 0.5, 1).value();
  on_every_cpu_level([&] { CHECK(bit_equal(dropout(Var(x), 0.5, 1).value(), y)); });
  check_same_for_any_threads([&] { return std::vector{dropout(Var(x), 0.5, 1).value()}; });
  CHECK(bit_equal(dropout(Var(x.slice(0, 0, 101)), 0.5, 1).value(), y.slice(0, 0, 101)));
  CHECK_FALSE(bit_equal(dropout(Var(x), 0.5, 2).value(), y));
}

TEST_CASE("dropout: the ends, and nothing at all") {
  Tensor x = random_tensor({17}, 1);
  CHECK(bit_equal(dropout(Var(x), 0, 1).value(), x));
  CHECK(bit_equal(dropout(Var(x), 1, 1).value(), x.zeros_like()));
  CHECK(dropout(Var(Tensor::zeros({0})), 0.5, 1).value().numel() == 0);
}

TEST_CASE("dropout: gradient") {
  on_every_cpu_level([] {
    check_gradients([](const std::vector<Var>& v) { return dropout(v[0], 0.4, 3); },
                    {random_tensor({5, 7}, 1)});
  });
}

TEST_CASE("dropout: errors") {
  check_throws<Error>([] { dropout(Var(Tensor::zeros({2})), 1.5, 1); }, {"dropout", "1.5"});
  check_throws<Error>([] { dropout(Var(Tensor::zeros({2})), std::nan(""), 1); }, {"dropout", "nan"});
}
