#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("shortcut_a: every stride-th pixel between zero channels") {
  on_every_cpu_level([] {
    for (DType dtype : {DType::f32, DType::f64}) {
      Tensor x = random_tensor({2, 5, 4, 3}, 1, dtype), y = shortcut_a(Var(x), 2, 8).value();
      REQUIRE(y.shape() == Shape{2, 3, 2, 8});
      CHECK(bit_equal(y.slice(3, 0, 2), Tensor::zeros({2, 3, 2, 2}, dtype)));
      CHECK(bit_equal(y.slice(3, 5, 8), Tensor::zeros({2, 3, 2, 3}, dtype)));
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t j = 0; j < 2; ++j) {
          CHECK(bit_equal(y.slice(3, 2, 5).slice(1, i, i + 1).slice(2, j, j + 1),
                          x.slice(1, 2 * i, 2 * i + 1).slice(2, 2 * j, 2 * j + 1)));
        }
      }
    }
    CHECK(shortcut_a(Var(Tensor::zeros({0, 4, 4, 2})), 2, 4).shape() == Shape{0, 2, 2, 4});
    Tensor same = random_tensor({1, 3, 3, 2}, 2);
    CHECK(bit_equal(shortcut_a(Var(same), 1, 2).value(), same));
    check_gradients([](const std::vector<Var>& v) { return shortcut_a(v[0], 2, 5); },
                    {random_tensor({2, 3, 4, 2}, 1)});
    check_gradients([](const std::vector<Var>& v) { return shortcut_a(v[0], 3, 2); },
                    {random_tensor({1, 5, 2, 2}, 1)});
  });
  for (Shape shape : {Shape{2, 5, 4, 3}, Shape{1, 1, 1, 1}, Shape{0, 4, 4, 2}, Shape{1, 9, 7, 40}}) {
    for (int64_t stride : {1, 2, 3}) {
      check_devices_agree([&](const std::vector<Var>& v) { return shortcut_a(v[0], stride, shape[3] + 5); },
                          {random_tensor(shape, 1)});
    }
  }
}

TEST_CASE("shortcut_a: errors") {
  check_throws<Error>(
      [] {
        shortcut_a(Var(Tensor::zeros({1, 4, 4, 8})), 2, 4);
      },
      {"shortcut_a", "[1, 4, 4, 8]", "4"});
  check_throws<Error>([] { shortcut_a(Var(Tensor::zeros({4, 4})), 2, 4); }, {"shortcut_a", "[N, H, W, C]"});
  check_throws<Error>([] { shortcut_a(Var(Tensor::zeros({1, 4, 4, 8})), 0, 8); }, {"shortcut_a", "stride 0"});
}
