#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("slice: a range of any axis, of any type") {
  on_every_device([](Device device) {
    for (DType dtype : {DType::f32, DType::f64, DType::i64, DType::bf16, DType::u8}) {
      Tensor x = random_tensor({3, 5, 7}, 1);
      for (double& v : x.span<double>()) v = static_cast<int>(v * 20) & 63;
      x = x.to(dtype);
      for (int axis : {0, 1, 2, -1, -3}) {
        int64_t size = x.dim(axis);
        for (auto [begin, end] :
             {std::pair{0L, size}, {0L, 1L}, {1L, size}, {1L, 2L}, {2L, 2L}, {size, size}}) {
          Tensor y = slice(Var(x.to(device)), axis, begin, end).value().to(kCpu);
          CHECK(bit_equal(y, x.slice(axis < 0 ? axis + 3 : axis, begin, end).contiguous()));
        }
      }
    }
    CHECK(slice(Var(Tensor::zeros({0, 4}, DType::f32, device)), 1, 1, 3).shape() == Shape{0, 2});
    CHECK(slice(Var(Tensor::zeros({4, 0}, DType::f32, device)), 0, 1, 3).shape() == Shape{2, 0});
  });
}

TEST_CASE("slice: of a tensor in another order of axes") {
  Tensor x = random_tensor({3, 4}, 1);
  CHECK(bit_equal(slice(Var(x.transpose(0, 1)), 0, 1, 3).value(), x.transpose(0, 1).clone().slice(0, 1, 3)));
}

TEST_CASE("slice: gradient, zero outside of the range") {
  on_every_cpu_level([] {
    for (int axis : {0, 1, 2}) {
      check_gradients([axis](const std::vector<Var>& v) { return slice(v[0], axis, 1, 3); },
                      {random_tensor({3, 4, 3}, 1)});
    }
    check_gradients([](const std::vector<Var>& v) { return slice(v[0], 1, 2, 2); },
                    {random_tensor({3, 4}, 1)});
  });
  check_devices_agree([](const std::vector<Var>& v) { return slice(v[0], 1, 3, 8); },
                      {random_tensor({3, 9, 37}, 1)});
}

TEST_CASE("slice: errors") {
  Var x(Tensor::zeros({2, 3}));
  check_throws<Error>([&] { slice(x, 2, 0, 1); }, {"slice", "[2, 3]", "axis 2"});
  check_throws<Error>([&] { slice(x, 1, 2, 4); }, {"slice", "[2, 4)", "axis 1", "[2, 3]"});
  check_throws<Error>([&] { slice(x, 1, 2, 1); }, {"slice", "[2, 1)"});
  check_throws<Error>([&] { slice(x, 1, -1, 1); }, {"slice", "[-1, 1)"});
}
