#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("permute: the axes in another order, of any type") {
  on_every_device([](Device device) {
    for (DType dtype : {DType::f32, DType::f64, DType::i64, DType::bf16, DType::u8}) {
      for (Shape shape : {Shape{2, 3, 5}, {1, 1, 1}, {0, 3, 5}, {4, 1, 33}}) {
        Tensor x = Tensor::empty(shape, DType::f64);
        for (int64_t i = 0; i < x.numel(); ++i) x.data<double>()[i] = static_cast<double>(i % 100);
        x = x.to(dtype);
        for (const std::vector<int>& axes :
             {std::vector<int>{0, 1, 2}, {2, 0, 1}, {1, 0, -1}, {-1, -2, -3}}) {
          Tensor y = permute(Var(x.to(device)), axes).value().to(kCpu);
          CHECK(y.is_contiguous());
          CHECK(bit_equal(y, x.permute(axes).clone()));
        }
      }
    }
  });
  Tensor x = random_tensor({2, 3, 5}, 1), y = permute(Var(x), {2, 0, 1}).value();
  CHECK(y.shape() == Shape{5, 2, 3});
  CHECK(y.data<double>()[(4 * 2 + 1) * 3 + 2] == x.data<double>()[(1 * 3 + 2) * 5 + 4]);
}

TEST_CASE("permute: gradient") {
  for (const std::vector<int>& axes : {std::vector<int>{2, 0, 1}, {1, 0, -1}, {-1, 0, 1}}) {
    check_gradients([&](const std::vector<Var>& v) { return permute(v[0], axes); },
                    {random_tensor({2, 3, 4}, 1)});
  }
  check_devices_agree(
      [](const std::vector<Var>& v) {
        return permute(v[0], {2, 0, 1});
      },
      {random_tensor({3, 9, 37}, 1)});
}

TEST_CASE("permute: errors") {
  Var x(Tensor::zeros({2, 3}));
  check_throws<Error>([&] { permute(x, {0}); }, {"permute", "1 axes", "[2, 3]"});
  check_throws<Error>([&] { permute(x, {0, 0}); }, {"permute", "[2, 3]", "once"});
  check_throws<Error>([&] { permute(x, {0, 2}); }, {"axis 2"});
}
