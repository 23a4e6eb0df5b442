#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("concat_last: part after part, in every row") {
  on_every_device([](Device device) {
    for (DType dtype : {DType::f32, DType::f64, DType::i64, DType::bf16, DType::u8}) {
      for (int64_t width : {0, 1, 7, 64}) {
        Tensor a = Tensor::zeros({2, 3, 5}, dtype), b = Tensor::full({2, 3, width}, 2, dtype);
        Tensor c = Tensor::full({2, 3, 1}, 3, dtype);
        Tensor y = concat_last({Var(a.to(device)), Var(b.to(device)), Var(c.to(device))}).value().to(kCpu);
        CHECK(y.shape() == Shape{2, 3, 6 + width});
        CHECK(bit_equal(y.slice(2, 0, 5), a));
        CHECK(bit_equal(y.slice(2, 5, 5 + width), b));
        CHECK(bit_equal(y.slice(2, 5 + width, 6 + width), c));
      }
    }
  });
  on_every_cpu_level([] {
    check_gradients([](const std::vector<Var>& v) { return concat_last(v); },
                    {random_tensor({2, 2, 3}, 1), random_tensor({2, 2, 1}, 2), random_tensor({2, 2, 4}, 3)});
  });
  check_devices_agree(
      [](const std::vector<Var>& v) { return concat_last(v); },
      {random_tensor({2, 2, 3}, 1), random_tensor({2, 2, 1}, 2), random_tensor({2, 2, 40}, 3)});
}

TEST_CASE("concat_last: errors") {
  check_throws<Error>([] { concat_last({}); }, {"concat_last", "no parts"});
  check_throws<Error>(
      [] {
        concat_last({Var(Tensor::zeros({2, 3})), Var(Tensor::zeros({3, 3}))});
      },
      {"concat_last", "[3, 3]", "[2, 3]"});
  check_throws<Error>(
      [] {
        concat_last({Var(Tensor::zeros({2, 3})), Var(Tensor::zeros({2}))});
      },
      {"concat_last", "[2]"});
  check_throws<Error>(
      [] {
        concat_last({Var(Tensor::zeros({2})), Var(Tensor::zeros({2}, DType::f64))});
      },
      {"concat_last", "f32", "f64"});
}
