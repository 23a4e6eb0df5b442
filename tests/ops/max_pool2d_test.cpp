#include <limits>

#include "autograd/ops.h"
#include "kernels/max_pool2d.h"
#include "tests/golden.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("max_pool2d: PyTorch's values and gradients, ties and ceil mode included") {
  Golden golden("ops.json");
  on_every_device([&](Device device) {
    for (DType dtype : {DType::f32, DType::f64}) {
      if (dtype == DType::f64 && device.is_cuda()) continue;
      for (int64_t k = 0; k < golden.tensor("max_pool.cases", DType::i64).item(); ++k) {
        std::string name = str("max_pool.", k, ".");
        Tensor numbers = golden.tensor(name + "case", DType::i64);
        auto c = numbers.span<int64_t>();
        INFO("size " << c[0] << " stride " << c[1] << " padding " << c[2] << " ceil " << c[3]);
        Var x(golden.tensor("max_pool.x", dtype).to(device), true);
        Var y = max_pool2d(x, {c[0], c[1], c[2], c[3] != 0});
        backward(y, golden.tensor(name + "dy", dtype).to(device));
        Tensor value = y.value().to(kCpu);
        CHECK(max_relative_difference(value, golden.tensor(name + "y")) == 0);
        CHECK(max_relative_difference(x.grad().to(kCpu), golden.tensor(name + "dx")) <=
              (dtype == DType::f32 ? 1e-6 : 1e-15));
        CHECK(bit_equal(max_pool2d(x.detach(), {c[0], c[1], c[2], c[3] != 0}).value().to(kCpu), value));
      }
    }
  });
}

TEST_CASE("max_pool2d: any number of channels, large windows") {
  on_every_cpu_level([] {
    for (int64_t channels : {1, 3, 63, 64, 65, 130}) {
      check_gradients(
          [](const std::vector<Var>& v) {
            return max_pool2d(v[0], {3, 2, 1});
          },
          {random_tensor({1, 3, 4, channels}, 1)});
    }
    // 17 x 17 places do not fit into the 8 bits of the compact form.
    check_gradients(
        [](const std::vector<Var>& v) {
          return max_pool2d(v[0], {17, 3, 2});
        },
        {random_tensor({1, 20, 18, 2}, 1)});
    CHECK(max_pool2d(Var(Tensor::zeros({0, 4, 4, 3})), {}).shape() == Shape{0, 2, 2, 3});
  });
  auto pool = [](int64_t size, int64_t stride, int64_t padding) {
    return [=](const std::vector<Var>& v) { return max_pool2d(v[0], {size, stride, padding}); };
  };
  for (int64_t channels : {1, 3, 33})
    check_devices_agree(pool(3, 2, 1), {random_tensor({2, 7, 6, channels}, 1)});
  check_devices_agree(pool(17, 3, 2), {random_tensor({1, 20, 18, 2}, 1)});
  check_devices_agree(pool(1, 3, 0), {random_tensor({1, 8, 5, 2}, 1)});  // pixels that no window covers
  check_devices_agree(pool(2, 2, 0), {random_tensor({0, 4, 4, 3}, 1)});
}

TEST_CASE("max_pool2d: minus infinity and NaN") {
  on_every_device([](Device device) {
    double infinity = std::numeric_limits<double>::infinity();
    Var lowest(Tensor::full({1, 3, 3, 5}, -infinity, DType::f32, device));
    CHECK(max_pool2d(lowest, {3, 2, 1}).value().to(kCpu).data<float>()[0] == -infinity);
    Tensor x = Tensor::zeros({1, 2, 2, 1});
    x.data<float>()[1] = std::numeric_limits<float>::quiet_NaN();
    float y = max_pool2d(Var(x.to(device)), {}).value().to(kCpu).data<float>()[0];
    CHECK(y != y);
  });
}

TEST_CASE("max_pool2d: the same for any thread count") {
  check_same_for_any_threads([] {
    Var x(random_tensor({2, 33, 31, 24}, 1, DType::f32), true);
    Var y = max_pool2d(x, {3, 2, 1});
    backward(y, random_tensor(y.shape(), 2, DType::f32));
    return std::vector{y.value(), x.grad()};
  });
}

TEST_CASE("max_pool2d: errors") {
  Var x(Tensor::zeros({1, 4, 4, 2}));
  check_throws<Error>([&] { max_pool2d(x, {5, 1, 0}); }, {"max_pool2d", "size 5", "[1, 4, 4, 2]"});
  check_throws<Error>([&] { max_pool2d(x, {2, 2, 2}); }, {"max_pool2d", "padding 2", "size 2"});
  check_throws<Error>([&] { max_pool2d(x, {2, 0, 0}); }, {"max_pool2d", "stride 0"});
  check_throws<Error>([] { max_pool2d(Var(Tensor::zeros({4, 4})), {}); }, {"max_pool2d", "[4, 4]"});
}
