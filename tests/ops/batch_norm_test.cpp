#include "kernels/batch_norm.h"

#include <cmath>

#include "autograd/ops.h"
#include "tests/golden.h"

using namespace graft;
using namespace graft::test;

namespace {

// A layer of C channels with random weights and plausible running statistics.
struct Layer {
  Layer(int64_t channels, DType dtype, bool trainable = true)
      : weight(random_tensor({channels}, 11, dtype), trainable),
        bias(random_tensor({channels}, 12, dtype), trainable),
        mean(random_tensor({channels}, 13, dtype)),
        variance(Tensor::full({channels}, 1.5, dtype)) {}
  Var weight, bias;
  Tensor mean, variance;
};

}  // namespace

TEST_CASE("batch_norm: PyTorch's values, gradients and running statistics") {
  Golden golden("ops.json");
  on_every_cpu_level([&] {
    for (DType dtype : {DType::f32, DType::f64}) {
      double tolerance = dtype == DType::f32 ? 2e-6 : 1e-13;
      for (std::string mode : {"frozen", "train"}) {
        auto close = [&](const Tensor& t, const std::string& name) {
          INFO(mode << " " << name);
          CHECK(max_relative_difference(t, golden.tensor("batch_norm." + name)) <= tolerance);
        };
        auto input = [&](const std::string& name) { return golden.tensor("batch_norm." + name, dtype); };
        Var x(input("x"), true), weight(input("weight"), true), bias(input("bias"), true);
        Tensor mean = input("running_mean"), variance = input("running_var");
        auto op = mode == "train" ? batch_norm_train : batch_norm_frozen;
        Var y = op(x, weight, bias, mean, variance, {1e-3, 0.3});
        backward(y, input("dy"));
        close(y.value(), mode + ".y");
        close(x.grad(), mode + ".dx");
        close(weight.grad(), mode + ".dweight");
        close(bias.grad(), mode + ".dbias");
        close(mean, mode == "train" ? "train.running_mean" : "running_mean");
        close(variance, mode == "train" ? "train.running_var" : "running_var");
      }
    }
  });
}

TEST_CASE("batch_norm: statistics are accurate for a million rows and far from zero") {
  on_every_cpu_level([] {
    for (auto [rows, channels] :
         {std::pair<int64_t, int64_t>{1000003, 1}, {333337, 3}, {4099, 257}, {2, 5}}) {
      // A mean of a thousand deviations: summing squares in the naive way would leave no digit of the
      // variance.
      Tensor x = random_tensor({rows, channels}, 1, DType::f32);
      for (float& v : x.span<float>()) v += 1000;
      Tensor mean = Tensor::empty({channels}), variance = Tensor::empty({channels});
      kernels::channel_statistics(x, mean, variance);
      double worst_mean = 0, worst_variance = 0;
      for (int64_t c = 0; c < channels; ++c) {
        long double total = 0, squares = 0;
        for (int64_t r = 0; r < rows; ++r) total += x.data<float>()[r * channels + c];
        long double center = total / rows;
        for (int64_t r = 0; r < rows; ++r) {
          long double d = x.data<float>()[r * channels + c] - center;
          squares += d * d;
        }
        long double exact = squares / rows;
        worst_mean = std::max(worst_mean, std::abs(static_cast<double>(mean.data<float>()[c] / center - 1)));
        worst_variance =
            std::max(worst_variance, std::abs(static_cast<double>(variance.data<float>()[c] / exact - 1)));
      }
      CHECK(worst_mean <= 1e-7);
      CHECK(worst_variance <= 1e-6);
    }
  });
}

TEST_CASE("batch_norm: gradient sums are accurate for many rows") {
  Tensor x = random_tensor({300007, 3}, 1, DType::f32), dy = random_tensor({300007, 3}, 2, DType::f32);
  for (float& v : dy.span<float>()) v += 1;
  auto gradients = [&](DType dtype) {
    Layer layer(3, dtype);
    Var v(x.to(dtype), true);
    backward(batch_norm_train(v, layer.weight, layer.bias, layer.mean, layer.variance, {}), dy.to(dtype));
    return std::vector{v.grad(), layer.weight.grad(), layer.bias.grad()};
  };
  on_every_cpu_level([&] {
    auto single = gradients(DType::f32), exact = gradients(DType::f64);
    CHECK(max_relative_difference(single[0], exact[0]) <= 1e-6);
    CHECK(max_relative_difference(single[1], exact[1]) <= 1e-5);  // a sum of terms of both signs
    CHECK(max_relative_difference(single[2], exact[2]) <= 1e-7);
  });
}

TEST_CASE("batch_norm: gradient") {
  on_every_cpu_level([] {
    for (Shape shape : {Shape{2, 1}, Shape{5, 3}, Shape{2, 3, 1, 17}, Shape{40, 9}}) {
      int64_t channels = shape.back();
      Layer layer(channels, DType::f64, false);
      for (bool train : {true, false}) {
        check_gradients(
            [&](const std::vector<Var>& v) {
              auto op = train ? batch_norm_train : batch_norm_frozen;
              return op(v[0], v[1], v[2], layer.mean.clone(), layer.variance.clone(), {});
            },
            {random_tensor(shape, 1), layer.weight.value(), layer.bias.value()});
      }
    }
  });
}

TEST_CASE("batch_norm: only what needs a gradient gets one") {
  for (bool train : {true, false}) {
    auto op = train ? batch_norm_train : batch_norm_frozen;
    Layer frozen(4, DType::f64, false), trainable(4, DType::f64);
    Var x(random_tensor({6, 4}, 1), true), constant = x.detach();
    CHECK_FALSE(op(constant, frozen.weight, frozen.bias, frozen.mean, frozen.variance, {}).needs_grad());
    backward(sum(op(x, frozen.weight, frozen.bias, frozen.mean, frozen.variance, {})));
    CHECK(x.grad().defined());
    CHECK_FALSE(frozen.weight.grad().defined());
    backward(sum(op(constant, trainable.weight, trainable.bias, trainable.mean, trainable.variance, {})));
    CHECK(trainable.weight.grad().defined());
    CHECK_FALSE(constant.grad().defined());
  }
}

TEST_CASE("batch_norm: frozen statistics do not move") {
  Layer layer(4, DType::f32);
  Tensor mean = layer.mean.clone(), variance = layer.variance.clone();
  batch_norm_frozen(Var(random_tensor({6, 4}, 1, DType::f32)), layer.weight, layer.bias, layer.mean,
                    layer.variance, {});
  CHECK(bit_equal(layer.mean, mean));
  CHECK(bit_equal(layer.variance, variance));
}

TEST_CASE("batch_norm: the same for any thread count") {
  for (int64_t channels : {3, 24, 1280}) {
    check_same_for_any_threads([&] {
      Layer layer(channels, DType::f32);
      Var x(random_tensor({500000 / channels, channels}, 1, DType::f32), true);
      Var y = batch_norm_train(x, layer.weight, layer.bias, layer.mean, layer.variance, {});
      backward(y, random_tensor(y.shape(), 2, DType::f32));
      return std::vector{y.value(),         x.grad(),   layer.weight.grad(),
                         layer.bias.grad(), layer.mean, layer.variance};
    });
  }
}

TEST_CASE("batch_norm: no rows, and errors") {
  Layer layer(3, DType::f32);
  auto train = [&](const Tensor& x) {
    batch_norm_train(Var(x), layer.weight, layer.bias, layer.mean, layer.variance, {});
  };
  auto frozen = [&](const Tensor& x) {
    return batch_norm_frozen(Var(x), layer.weight, layer.bias, layer.mean, layer.variance, {});
  };
  Var none = frozen(Tensor::zeros({0, 3}));
  CHECK(none.shape() == Shape{0, 3});
  backward(sum(none));
  CHECK(layer.weight.grad().data<float>()[0] == 0);
  check_throws<Error>(
      [&] {
        train(Tensor::zeros({1, 1, 1, 3}));
      },
      {"batch_norm_train", "more than one value per channel", "[1, 1, 1, 3]"});
  check_throws<Error>(
      [&] {
        train(Tensor::zeros({0, 3}));
      },
      {"batch_norm_train", "more than one value per channel"});
  check_throws<Error>(
      [&] {
        train(Tensor::zeros({2, 4}));
      },
      {"batch_norm_train", "weight", "f32[3]", "f32[4]"});
  check_throws<Error>(
      [&] {
        frozen(Tensor::zeros({2, 3}, DType::f64));
      },
      {"batch_norm_frozen", "f32[3]", "f64[3]"});
  check_throws<Error>([&] { frozen(Tensor::zeros({3})); }, {"batch_norm_frozen", "two axes", "[3]"});
}
