#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("global_avg_pool: the mean over the pixels, also of very many") {
  on_every_cpu_level([] {
    for (Shape shape : {Shape{1, 1, 1, 1}, Shape{2, 7, 7, 37}, Shape{3, 5, 1, 64}, Shape{1, 1000, 1000, 1}}) {
      Tensor x = random_tensor(shape, 1, DType::f64);
      for (double& v : x.span<double>()) v += 3;
      Tensor y = global_avg_pool(Var(x)).value(), expected = y.empty_like();
      int64_t pixels = shape[1] * shape[2], channels = shape[3];
      for (int64_t i = 0; i < y.numel(); ++i) {
        long double total = 0;
        for (int64_t p = 0; p < pixels; ++p) {
          total += x.data<double>()[(i / channels * pixels + p) * channels + i % channels];
        }
        expected.data<double>()[i] = static_cast<double>(total / pixels);
      }
      CHECK(max_relative_difference(y, expected) <= 1e-13);
      CHECK(max_relative_difference(global_avg_pool(Var(x.to(DType::f32))).value(), expected) <= 2e-7);
    }
    CHECK(global_avg_pool(Var(Tensor::zeros({0, 2, 2, 3}))).shape() == Shape{0, 3});
    check_gradients([](const std::vector<Var>& v) { return global_avg_pool(v[0]); },
                    {random_tensor({2, 3, 2, 5}, 1)});
  });
  for (Shape shape : {Shape{1, 1, 1, 1}, Shape{2, 7, 7, 37}, Shape{3, 5, 1, 64}, Shape{0, 2, 2, 3}}) {
    check_devices_agree([](const std::vector<Var>& v) { return global_avg_pool(v[0]); },
                        {random_tensor(shape, 1)});
  }
}

TEST_CASE("global_avg_pool: a million pixels far from zero, on every accelerator") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    Tensor x = random_tensor({1, 1000, 1000, 1}, 1, DType::f32);
    for (float& v : x.span<float>()) v += 3;
    Tensor y = global_avg_pool(Var(x.to(device))).value().to(kCpu);
    CHECK(max_relative_difference(y, global_avg_pool(Var(x.to(DType::f64))).value()) <= 2e-7);
  }
}

TEST_CASE("global_avg_pool: errors") {
  check_throws<Error>([] { global_avg_pool(Var(Tensor::zeros({2, 3}))); }, {"global_avg_pool", "[2, 3]"});
  check_throws<Error>(
      [] {
        global_avg_pool(Var(Tensor::zeros({2, 0, 3, 4})));
      },
      {"global_avg_pool", "no pixels"});
}
