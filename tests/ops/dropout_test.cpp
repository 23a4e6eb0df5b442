#include <cmath>

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("dropout: keeps about 1 - p of the elements, scaled so that the mean stays") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (double p : {0.1, 0.5, 0.9}) {
        constexpr int64_t n = 100001;
        Tensor x = Tensor::full({n}, 1, dtype, device);
        Tensor y = dropout(Var(x), p, 7).value().to(kCpu).to(DType::f64);
        int64_t kept = 0, wrong = 0;
        for (double v : y.span<double>()) {
          kept += v != 0;
          wrong += v != 0 && std::abs(v - 1 / (1 - p)) > (dtype == DType::bf16 ? 0x1p-8 : 1e-6) / (1 - p);
        }
        CHECK(wrong == 0);
        CHECK(std::abs(static_cast<double>(kept) - n * (1 - p)) < 4 * std::sqrt(n * p * (1 - p)));
      }
    }
  });
}

TEST_CASE("dropout: a function of seed and index alone, whatever the device") {
  Tensor x = Tensor::full({40003}, 1);
  Tensor y = dropout(Var(x), 0.5, 1).value();
  on_every_device([&](Device device) {
    Tensor there = x.to(device);
    CHECK(bit_equal(dropout(Var(there), 0.5, 1).value().to(kCpu), y));
    CHECK(bit_equal(dropout(Var(there.slice(0, 0, 101)), 0.5, 1).value().to(kCpu), y.slice(0, 0, 101)));
    CHECK(bit_equal(dropout(Var(there.slice(0, 1, 102)), 0.5, 1).value().to(kCpu), y.slice(0, 0, 101)));
    CHECK_FALSE(bit_equal(dropout(Var(there), 0.5, 2).value().to(kCpu), y));
  });
  check_same_for_any_threads([&] { return std::vector{dropout(Var(x), 0.5, 1).value()}; });
}

TEST_CASE("dropout: the ends, and nothing at all") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (int64_t n : {0, 1, 4, 17}) {
        Tensor x = random_tensor({n}, 1, dtype), there = x.to(device);
        CHECK(bit_equal(dropout(Var(there), 0, 1).value().to(kCpu), x));
        CHECK(max_relative_difference(dropout(Var(there), 1, 1).value().to(kCpu), x.zeros_like()) == 0);
      }
    }
  });
}

TEST_CASE("dropout: gradient") {
  on_every_cpu_level([] {
    check_gradients([](const std::vector<Var>& v) { return dropout(v[0], 0.4, 3); },
                    {random_tensor({5, 7}, 1)});
  });
  check_devices_agree([](const std::vector<Var>& v) { return dropout(v[0], 0.4, 3); },
                      {random_tensor({5, 77}, 1)});
}

TEST_CASE("dropout: errors") {
  check_throws<Error>([] { dropout(Var(Tensor::zeros({2})), 1.5, 1); }, {"dropout", "1.5"});
  check_throws<Error>([] { dropout(Var(Tensor::zeros({2})), std::nan(""), 1); }, {"dropout", "nan"});
}
