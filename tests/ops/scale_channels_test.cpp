#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {
Var scaled(const std::vector<Var>& v) {
  return scale_channels(v[0], v[1]);
}
}  // namespace

TEST_CASE("scale_channels: each channel of each picture times its factor") {
  Tensor x = Tensor::from<float>(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}, {2, 1, 2, 2});
  Tensor s = Tensor::from<float>(std::vector<float>{1, 10, -1, 0}, {2, 2});
  Tensor expected = Tensor::from<float>(std::vector<float>{1, 20, 3, 40, -5, 0, -7, 0}, {2, 1, 2, 2});
  on_every_device([&](Device device) {
    Tensor y = scale_channels(Var(x.to(device)), Var(s.to(device))).value();
    CHECK(bit_equal(y.to(kCpu), expected));
  });
  CHECK(scale_channels(Var(Tensor::zeros({0, 2, 2, 3})), Var(Tensor::zeros({0, 3}))).shape() ==
        Shape{0, 2, 2, 3});
}

TEST_CASE("scale_channels: gradients, and every device agrees") {
  on_every_cpu_level([] {
    check_gradients(scaled, {random_tensor({2, 3, 2, 5}, 1), random_tensor({2, 5}, 2)});
  });
  for (Shape shape : {Shape{1, 1, 1, 1}, Shape{2, 7, 7, 37}, Shape{3, 5, 1, 64}, Shape{0, 2, 2, 3}}) {
    check_devices_agree(scaled, {random_tensor(shape, 1), random_tensor({shape[0], shape[3]}, 2)});
  }
}

TEST_CASE("scale_channels: errors") {
  auto run = [](Shape x, Shape s) { return scale_channels(Var(Tensor::zeros(x)), Var(Tensor::zeros(s))); };
  check_throws<Error>([&] { run({2, 3}, {2, 3}); }, {"scale_channels", "[N, H, W, C]", "[2, 3]"});
  check_throws<Error>([&] { run({2, 1, 1, 3}, {2, 4}); }, {"scale_channels", "[2, 4]", "[2, 3]"});
  check_throws<Error>([&] { run({2, 0, 1, 3}, {2, 3}); }, {"scale_channels", "no pixels"});
}
