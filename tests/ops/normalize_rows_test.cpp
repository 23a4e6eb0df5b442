#include <cmath>

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("normalize_rows: rows of length 1; a row of zeros stays one") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (Shape shape : {Shape{3, 7}, {1, 1}, {0, 5}, {2, 3, 513}, {4}}) {
        Tensor x = random_tensor(shape, 1).to(dtype), expected = x.to(DType::f64).clone();
        int64_t columns = shape.back(), rows = shape.numel() / columns;
        for (int64_t r = 0; r < rows; ++r) {
          double* row = expected.data<double>() + r * columns;
          double squares = 0;
          for (int64_t c = 0; c < columns; ++c) squares += row[c] * row[c];
          for (int64_t c = 0; c < columns; ++c) row[c] /= std::sqrt(squares);
        }
        Tensor y = normalize_rows(Var(x.to(device))).value().to(kCpu);
        CHECK(max_relative_difference(y, expected) <= tolerance(dtype));
      }
      Tensor zeros = Tensor::zeros({2, 5}, dtype);
      CHECK(bit_equal(normalize_rows(Var(zeros.to(device))).value().to(kCpu), zeros));
    }
  });
}

TEST_CASE("normalize_rows: gradient") {
  on_every_cpu_level([] {
    check_gradients([](const std::vector<Var>& v) { return normalize_rows(v[0]); },
                    {random_tensor({2, 3, 5}, 1)});
  });
  check_devices_agree([](const std::vector<Var>& v) { return normalize_rows(v[0]); },
                      {random_tensor({5, 301}, 1)}, {.looser = 2});
  check_throws<Error>([] { normalize_rows(Var(Tensor::zeros({2, 0}))); }, {"normalize_rows", "[2, 0]"});
}
