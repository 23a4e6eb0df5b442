#include "nn/optim/clip.h"

#include <cmath>
#include <limits>

#include "tests/golden.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;

namespace {

Var with_grad(const Tensor& grad, bool requires_grad = true) {
  Var v(grad.zeros_like(), true);
  v.set_grad(grad);
  if (!requires_grad) v.set_requires_grad(false);
  return v;
}

}  // namespace

TEST_CASE("clip_gradients: PyTorch's norm and scaled gradients") {
  Golden golden("ops.json");
  on_every_device([&](Device device) {
    DType dtype = device.is_cuda() ? DType::f32 : DType::f64;
    double most = device.is_cuda() ? 1e-6 : 1e-13;
    Tensor first = golden.tensor("clip.grads.0", dtype), second = golden.tensor("clip.grads.1", dtype);
    std::vector<Var> parameters = {with_grad(first.to(device)), with_grad(second.to(device))};
    double norm = golden.tensor("clip.norm").item();
    CHECK(gradient_norm(parameters) == doctest::Approx(norm).epsilon(most));
    CHECK(clip_gradients(parameters, 2 * norm) == doctest::Approx(norm).epsilon(most));
    CHECK(bit_equal(parameters[0].grad().to(kCpu), first));
    CHECK(clip_gradients(parameters, 0.75) == doctest::Approx(norm).epsilon(most));
    for (size_t i = 0; i < 2; ++i) {
      Tensor clipped = golden.tensor(str("clip.clipped.", i));
      CHECK(max_relative_difference(parameters[i].grad().to(kCpu), clipped) <= most);
    }
  });
}

TEST_CASE("clip_gradients: a gradient tensor that two parameters share is scaled once for each") {
  Tensor shared = Tensor::full({4}, 3, DType::f64);
  std::vector<Var> parameters = {with_grad(shared), with_grad(shared)};
  clip_gradients(parameters, 1);
  CHECK(gradient_norm(parameters) == doctest::Approx(1).epsilon(1e-5));
  CHECK(shared.data<double>()[0] == 3);
}

TEST_CASE("gradient_norm: without the frozen and those that have none; the same for any thread count") {
  CHECK(gradient_norm({with_grad(Tensor::full({4}, 1), false), Var(Tensor::zeros({3}), true)}) == 0);
  check_same_for_any_threads([] {
    std::vector<Var> parameters = {with_grad(random_tensor({300001}, 1, DType::f32)),
                                   with_grad(random_tensor({17}, 2, DType::f32))};
    double norm = clip_gradients(parameters, 1);
    return std::vector{Tensor::full({}, norm, DType::f64), parameters[0].grad()};
  });
}

TEST_CASE("clip_gradients: errors") {
  double infinity = std::numeric_limits<double>::infinity();
  check_throws<Error>([&] { clip_gradients({with_grad(Tensor::full({2}, infinity))}, 1); },
                      {"inf", "diverged"});
  check_throws<Error>([&] { clip_gradients({with_grad(Tensor::full({2}, std::nan("")))}, 1); },
                      {"nan", "diverged"});
  check_throws<UsageError>([] { clip_gradients({}, 0); }, {"not above 0"});
}
