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

TEST_CASE("clip_gradients: two thousand gradients of any size, of both types of a device") {
  on_every_device([](Device device) {
    std::vector<Var> parameters;
    std::vector<Tensor> before;
    double squares = 0;
    for (int64_t i = 0; i < 2000; ++i) {
      int64_t n = i % 500 == 7 ? 20000 + i : i % 4;  // some have no element
      Tensor grad =
          random_tensor({n}, static_cast<uint64_t>(i), float_types(device)[static_cast<size_t>(i % 2)]);
      Tensor exact = grad.to(DType::f64);
      for (double v : exact.span<double>()) squares += v * v;
      before.push_back(grad);
      parameters.push_back(with_grad(grad.to(device)));
    }
    double norm = std::sqrt(squares);
    CHECK(clip_gradients(parameters, norm / 4) == doctest::Approx(norm).epsilon(1e-12));
    double factor = norm / 4 / (norm + 1e-6);
    for (size_t i = 0; i < parameters.size(); ++i) {
      Tensor expected = before[i].to(DType::f64).clone();
      for (double& v : expected.span<double>()) v *= factor;
      CHECK_MESSAGE(
          max_relative_difference(parameters[i].grad().to(kCpu), expected) <= tolerance(before[i].dtype()),
          "gradient " << i);
    }
  });
}

TEST_CASE("gradient_norm: gradients without an element, or none at all") {
  on_every_device([](Device device) {
    CHECK(gradient_norm({with_grad(Tensor::zeros({0}, DType::f32, device))}) == 0);
    CHECK(gradient_norm({}) == 0);
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
