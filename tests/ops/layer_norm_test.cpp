#include <cmath>

#include "autograd/ops.h"
#include "kernels/layer_norm.h"
#include "tests/golden.h"

using namespace graft;
using namespace graft::test;

namespace {

// Rows shorter and longer than a warp's and a block's registers, of whole 16 bytes and not.
const std::vector<Shape> kShapes = {{1, 1},    {3, 2},    {5, 8},    {2, 3, 17}, {2000, 3}, {9, 768},
                                    {7, 1023}, {3, 1032}, {2, 4099}, {1, 8192},  {2, 8193}, {0, 7}};

// An op of x and parameters; in the narrow type the parameters stay wide.
struct Norm {
  std::string name;
  bool has_bias;
  Var operator()(const Var& x, const Var& weight, const Var& bias, double eps) const {
    return has_bias ? layer_norm(x, weight, bias, eps) : rms_norm(x, weight, eps);
  }
};
const Norm kLayerNorm{"layer_norm", true}, kRmsNorm{"rms_norm", false};

std::vector<Tensor> results(const Norm& norm, const Tensor& in, const Tensor& dy, Device device,
                            DType dtype) {
  DType wide = dtype == DType::bf16 ? DType::f32 : dtype;
  auto parameter = [&](uint64_t seed) {
    return Var(random_tensor({in.dim(-1)}, seed, DType::bf16).to(wide).to(device), true);
  };
  Var x(in.to(dtype).to(device), true), weight = parameter(3), bias = parameter(4);
  Var y = norm(x, weight, bias, 1e-5);
  backward(y, dy.to(dtype).to(device));
  std::vector<Tensor> all = {y.value(), x.grad(), weight.grad()};
  if (norm.has_bias) all.push_back(bias.grad());
  for (Tensor& t : all) t = t.to(kCpu);
  return all;
}

}  // namespace

TEST_CASE("layer_norm, rms_norm: PyTorch's values and gradients") {
  Golden golden("ops.json");
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      if (dtype == DType::bf16) continue;  // the recorded inputs are no bf16 numbers
      double bar = dtype == DType::f32 ? 2e-6 : 1e-13;
      for (const Norm& norm : {kLayerNorm, kRmsNorm}) {
        auto input = [&](const char* name) {
          return Var(golden.tensor(str("row_norm.", name), dtype).to(device), true);
        };
        auto close = [&](const Tensor& t, const char* name) {
          INFO(norm.name << " " << name);
          CHECK(max_relative_difference(t.to(kCpu), golden.tensor(str(norm.name, ".", name))) <= bar);
        };
        Var x = input("x"), weight = input("weight"), bias = input("bias");
        Var y = norm(x, weight, bias, 1e-3);
        backward(y, input("dy").value());
        close(y.value(), "y");
        close(x.grad(), "dx");
        close(weight.grad(), "dweight");
        if (norm.has_bias) close(bias.grad(), "dbias");
      }
    }
  });
}

TEST_CASE("layer_norm, rms_norm: gradient") {
  on_every_cpu_level([] {
    for (Shape shape : {Shape{1, 2}, Shape{3}, Shape{2, 3, 5}, Shape{4, 37}}) {
      Tensor x = random_tensor(shape, 1), weight = random_tensor({shape.back()}, 2);
      Tensor bias = random_tensor({shape.back()}, 3);
      check_gradients([](const std::vector<Var>& v) { return layer_norm(v[0], v[1], v[2], 1e-2); },
                      {x, weight, bias});
      check_gradients([](const std::vector<Var>& v) { return rms_norm(v[0], v[1], 1e-2); }, {x, weight});
    }
  });
}

TEST_CASE("layer_norm, rms_norm: every device and type agrees with f64 on the CPU") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (const Norm& norm : {kLayerNorm, kRmsNorm}) {
        for (const Shape& shape : kShapes) {
          // Of so few values dx would be what rounding leaves of two large numbers.
          if (shape.back() <= (norm.has_bias ? 2 : 1)) continue;
          INFO(norm.name << " " << to_text(shape) << " " << std::string(to_text(dtype)));
          Tensor in = random_tensor(shape, 1, dtype), dy = random_tensor(shape, 2, dtype);
          auto got = results(norm, in, dy, device, dtype), expected = results(norm, in, dy, kCpu, DType::f64);
          for (size_t i = 0; i < got.size(); ++i) {
            // The inputs are the same, and only y and dx are stored in the narrow type.
            double bar = i < 2 ? tolerance(dtype) : tolerance(got[i].dtype());
            CHECK_MESSAGE(max_relative_difference(got[i], expected[i]) <= bar, "result " << i);
          }
        }
      }
    }
  });
}

TEST_CASE("layer_norm: a row of one value is its bias, and gives x no gradient") {
  on_every_device([](Device device) {
    Var x(Tensor::full({4, 1}, 3, DType::f32, device), true),
        weight(Tensor::full({1}, 2, DType::f32, device), true);
    Var bias(Tensor::full({1}, 0.5, DType::f32, device), true), y = layer_norm(x, weight, bias);
    backward(y, Tensor::full({4, 1}, 1, DType::f32, device));
    CHECK(bit_equal(y.value().to(kCpu), Tensor::full({4, 1}, 0.5)));
    CHECK(bit_equal(x.grad().to(kCpu), Tensor::zeros({4, 1})));
    CHECK(bit_equal(bias.grad().to(kCpu), Tensor::full({1}, 4)));
  });
}

TEST_CASE("layer_norm: a mean of a thousand deviations costs few digits") {
  on_every_device([](Device device) {
    for (int64_t cols : {700, 3000, 9001}) {
      Tensor x = random_tensor({3, cols}, 1, DType::f32);
      for (float& v : x.span<float>()) v += 1000;
      auto normal = [&](DType dtype, Device on) {
        Var weight(Tensor::full({cols}, 1, dtype, on)), bias(Tensor::zeros({cols}, dtype, on));
        return layer_norm(Var(x.to(dtype).to(on)), weight, bias, 1e-5).value().to(kCpu);
      };
      // The mean itself has a step of 6e-5 in f32.
      CHECK(max_relative_difference(normal(DType::f32, device), normal(DType::f64, kCpu)) <= 3e-5);
    }
  });
}

TEST_CASE("layer_norm, rms_norm: the same for any thread count") {
  for (Device device : devices()) {
    for (const Norm& norm : {kLayerNorm, kRmsNorm}) {
      check_same_for_any_threads([&] {
        Tensor x = random_tensor({3000, 37}, 1, DType::f32);
        return results(norm, x, random_tensor({3000, 37}, 2, DType::f32), device, DType::f32);
      });
    }
  }
}

TEST_CASE("layer_norm, rms_norm: only what needs a gradient gets one") {
  Var x(random_tensor({3, 4}, 1), true), weight(random_tensor({4}, 2), true),
      bias(random_tensor({4}, 3), true);
  CHECK_FALSE(layer_norm(x.detach(), weight.detach(), bias.detach()).needs_grad());
  backward(sum(layer_norm(x, weight.detach(), bias.detach())));
  CHECK(x.grad().defined());
  backward(sum(rms_norm(x.detach(), weight)));
  CHECK(weight.grad().defined());
  CHECK_FALSE(bias.grad().defined());
}

TEST_CASE("layer_norm, rms_norm: errors") {
  auto zeros = [](Shape shape, DType dtype = DType::f32) { return Var(Tensor::zeros(shape, dtype)); };
  check_throws<Error>(
      [&] {
        layer_norm(zeros({2, 3}), zeros({4}), zeros({3}));
      },
      {"layer_norm", "weight", "f32[4]", "f32[3]"});
  check_throws<Error>(
      [&] {
        layer_norm(zeros({2, 3}), zeros({3}), zeros({3}, DType::f64));
      },
      {"layer_norm", "bias", "f64[3]"});
  check_throws<Error>([&] { layer_norm(zeros({}), zeros({1}), zeros({1})); }, {"layer_norm", "[]"});
  check_throws<Error>([&] { layer_norm(zeros({2, 0}), zeros({0}), zeros({0})); }, {"layer_norm", "[2, 0]"});
  check_throws<Error>([&] { layer_norm(zeros({2, 3}), zeros({3}), zeros({3}), -1); }, {"eps -1"});
  check_throws<Error>([&] { rms_norm(zeros({2, 3}), zeros({2})); }, {"rms_norm", "f32[2]", "f32[3]"});
  check_throws<Error>([&] { rms_norm(zeros({2, 3}, DType::i64), zeros({3}, DType::i64)); }, {"f32 or f64"});
}
