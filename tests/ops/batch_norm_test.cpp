#include "kernels/batch_norm.h"

#include <cmath>

#include "autograd/ops.h"
#include "kernels/unary.h"
#include "tests/golden.h"

using namespace graft;
using namespace graft::test;

namespace {

// A layer of C channels with random weights and plausible running statistics.
struct Layer {
  Layer(int64_t channels, DType dtype, bool trainable = true, Device device = kCpu)
      : weight(random_tensor({channels}, 11, DType::f32).to(dtype).to(device), trainable),
        bias(random_tensor({channels}, 12, DType::f32).to(dtype).to(device), trainable),
        mean(random_tensor({channels}, 13, DType::f32).to(dtype).to(device)),
        variance(Tensor::full({channels}, 1.5, dtype, device)) {}
  Var weight, bias;
  Tensor mean, variance;
};

}  // namespace

TEST_CASE("batch_norm: PyTorch's values, gradients and running statistics") {
  Golden golden("ops.json");
  on_every_device([&](Device device) {
    for (DType dtype : {DType::f32, DType::f64}) {
      if (dtype == DType::f64 && device.is_cuda()) continue;
      double bar = dtype == DType::f32 ? 2e-6 : 1e-13;
      for (std::string mode : {"frozen", "train"}) {
        auto close = [&](const Tensor& t, const std::string& name) {
          INFO(mode << " " << name);
          CHECK(max_relative_difference(t.to(kCpu), golden.tensor("batch_norm." + name)) <= bar);
        };
        auto input = [&](const std::string& name) {
          return golden.tensor("batch_norm." + name, dtype).to(device);
        };
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
  on_every_device([](Device device) {
    for (auto [rows, channels] :
         {std::pair<int64_t, int64_t>{1000003, 1}, {333337, 3}, {4099, 257}, {2, 5}}) {
      // A mean of a thousand deviations: summing squares in the naive way would leave no digit of the
      // variance.
      Tensor x = random_tensor({rows, channels}, 1, DType::f32);
      for (float& v : x.span<float>()) v += 1000;
      Tensor mean = Tensor::empty({channels}, DType::f32, device), variance = mean.empty_like();
      kernels::channel_statistics(x.to(device), mean, variance);
      mean = mean.to(kCpu);
      variance = variance.to(kCpu);
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
  auto gradients = [&](DType dtype, Device device) {
    Layer layer(3, dtype, true, device);
    Var v(x.to(dtype).to(device), true);
    backward(batch_norm_train(v, layer.weight, layer.bias, layer.mean, layer.variance, {}),
             dy.to(dtype).to(device));
    return std::vector{v.grad().to(kCpu), layer.weight.grad().to(kCpu), layer.bias.grad().to(kCpu)};
  };
  on_every_device([&](Device device) {
    auto single = gradients(DType::f32, device), exact = gradients(DType::f64, kCpu);
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

TEST_CASE("batch_norm: every device and type agrees with f64 on the CPU") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (DType dtype : float_types(device)) {
      // Of two rows dx would be little more than what eps leaves of two large numbers.
      for (Shape shape : {Shape{4, 1}, Shape{5, 3}, Shape{2, 3, 1, 17}, Shape{1100, 33}, Shape{3, 130}}) {
        for (bool train : {true, false}) {
          INFO(to_text(shape) << " " << std::string(to_text(dtype))
                              << std::string(train ? " train" : " frozen"));
          Tensor in = random_tensor(shape, 1, dtype), dy = random_tensor(shape, 2, dtype);
          auto results = [&](Device on, DType type, DType wide) {
            Layer layer(shape.back(), wide, true, on);
            Var x(in.to(type).to(on), true);
            auto op = train ? batch_norm_train : batch_norm_frozen;
            Var y = op(x, layer.weight, layer.bias, layer.mean, layer.variance, {});
            backward(y, dy.to(type).to(on));
            return std::vector{y.value(),         x.grad(),   layer.weight.grad(),
                               layer.bias.grad(), layer.mean, layer.variance};
          };
          auto got = results(device, dtype, DType::f32), expected = results(kCpu, DType::f64, DType::f64);
          for (size_t i = 0; i < got.size(); ++i) {
            // The inputs are the same, and only y and dx are stored in the narrow type.
            double bar = i < 2 ? tolerance(dtype) : tolerance(DType::f32);
            CHECK_MESSAGE(max_relative_difference(got[i].to(kCpu), expected[i]) <= bar, "result " << i);
          }
        }
      }
    }
  }
}

TEST_CASE("batch_norm: with residual and activation, the bits of one step after the other") {
  on_every_device([](Device device) {
    for (Shape shape : {Shape{5, 3}, Shape{2, 3, 1, 17}, Shape{1100, 33}, Shape{2, 1}}) {
      for (bool train : {true, false}) {
        for (Activation act : {Activation::none, Activation::relu, Activation::relu6}) {
          for (bool adds : {false, true}) {
            INFO(to_text(shape) << (train ? 1 : 0) << static_cast<int>(act) << (adds ? 1 : 0));
            auto results = [&](bool fused) {
              Layer layer(shape.back(), DType::f32, true, device);
              // Wide enough for some to be above 6.
              Tensor in = random_tensor(shape, 1, DType::f32);
              kernels::scale(in, 9, in);
              Var x(in.to(device), true), residual(in.to(device).clone(), true);
              BatchNorm how;
              if (fused) {
                how.act = act;
                if (adds) how.residual = residual;
              }
              auto op = train ? batch_norm_train : batch_norm_frozen;
              Var y = op(x, layer.weight, layer.bias, layer.mean, layer.variance, how);
              if (!fused && adds) y = add(y, residual);
              if (!fused && act == Activation::relu) y = relu(y);
              if (!fused && act == Activation::relu6) y = relu6(y);
              backward(y, random_tensor(shape, 2, DType::f32).to(device));
              std::vector<Tensor> all = {y.value(), x.grad(), layer.weight.grad(), layer.bias.grad()};
              if (adds) all.push_back(residual.grad());
              return all;
            };
            auto got = results(true), expected = results(false);
            for (size_t i = 0; i < got.size(); ++i) {
              CHECK_MESSAGE(bit_equal(got[i].to(kCpu), expected[i].to(kCpu)), "result " << i);
            }
          }
        }
      }
    }
  });
}

TEST_CASE("batch_norm: gradient with residual and activation") {
  on_every_cpu_level([] {
    for (bool train : {true, false}) {
      Layer layer(3, DType::f64, false);
      for (Activation act : {Activation::relu, Activation::relu6}) {
        Tensor x = random_tensor({4, 5, 3}, 1), residual = random_tensor({4, 5, 3}, 2);
        kernels::scale(residual, 4, residual);
        check_gradients(
            [&](const std::vector<Var>& v) {
              auto op = train ? batch_norm_train : batch_norm_frozen;
              return op(v[0], v[1], v[2], layer.mean.clone(), layer.variance.clone(), {1e-5, 0.1, act, v[3]});
            },
            {x, layer.weight.value(), layer.bias.value(), residual});
      }
    }
  });
}

TEST_CASE("batch_norm: bf16 with residual and activation agrees with f64 on the CPU") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (bool train : {true, false}) {
      Tensor in = random_tensor({1100, 33}, 1, DType::bf16),
             other = random_tensor({1100, 33}, 2, DType::bf16);
      Tensor dy = random_tensor({1100, 33}, 3, DType::bf16);
      auto results = [&](Device on, DType type, DType wide) {
        Layer layer(33, wide, true, on);
        Var x(in.to(type).to(on), true), residual(other.to(type).to(on), true);
        auto op = train ? batch_norm_train : batch_norm_frozen;
        Var y = op(x, layer.weight, layer.bias, layer.mean, layer.variance,
                   {1e-5, 0.1, Activation::relu, residual});
        backward(y, dy.to(type).to(on));
        return std::vector{y.value(), x.grad(), residual.grad(), layer.weight.grad(), layer.bias.grad()};
      };
      auto got = results(device, DType::bf16, DType::f32), expected = results(kCpu, DType::f64, DType::f64);
      for (size_t i = 0; i < got.size(); ++i) {
        double bar = i < 3 ? tolerance(DType::bf16) : tolerance(DType::f32);
        CHECK_MESSAGE(max_relative_difference(got[i].to(kCpu), expected[i]) <= bar, "result " << i);
      }
    }
  }
}

TEST_CASE("batch_norm: a residual or an x that is frozen gets no gradient, the other all of it") {
  for (Device device : devices()) {
    for (bool train : {true, false}) {
      for (bool trains_parameters : {true, false}) {
        auto op = train ? batch_norm_train : batch_norm_frozen;
        Layer layer(4, DType::f32, trains_parameters, device);
        Var x(random_tensor({6, 4}, 1, DType::f32).to(device), true);
        Var residual(random_tensor({6, 4}, 2, DType::f32).to(device), true), fixed = x.detach();
        auto step = [&](const Var& in, const Var& added) {
          Var y = op(in, layer.weight, layer.bias, layer.mean.clone(), layer.variance.clone(),
                     {1e-5, 0.1, Activation::relu, added});
          backward(y, Tensor::full({6, 4}, 1, DType::f32, device));
          return y.value().to(kCpu);
        };
        Tensor y = step(fixed, residual), passed = residual.grad().to(kCpu);
        CHECK_FALSE(fixed.grad().defined());
        for (int64_t i = 0; i < 24; ++i) CHECK(passed.data<float>()[i] == (y.data<float>()[i] > 0 ? 1 : 0));
        residual.clear_grad();
        Var none = residual.detach();
        step(x, none);
        CHECK(x.grad().defined());
        CHECK_FALSE(none.grad().defined());
      }
    }
  }
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
  for (Device device : devices()) {
    for (int64_t channels : {3, 24, 1280}) {
      check_same_for_any_threads([&] {
        Layer layer(channels, DType::f32, true, device);
        Var x(random_tensor({500000 / channels, channels}, 1, DType::f32).to(device), true);
        Var y = batch_norm_train(x, layer.weight, layer.bias, layer.mean, layer.variance, {});
        backward(y, random_tensor(y.shape(), 2, DType::f32).to(device));
        std::vector<Tensor> results = {y.value(),         x.grad(),   layer.weight.grad(),
                                       layer.bias.grad(), layer.mean, layer.variance};
        for (Tensor& t : results) t = t.to(kCpu);
        return results;
      });
    }
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
  on_every_device([](Device device) {
    Layer there(3, DType::f32, true, device);
    Tensor x = Tensor::zeros({0, 3}, DType::f32, device);
    Var none = batch_norm_frozen(Var(x), there.weight, there.bias, there.mean, there.variance, {});
    CHECK(none.shape() == Shape{0, 3});
    backward(none, x);
    CHECK(there.weight.grad().to(kCpu).data<float>()[0] == 0);
  });
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
  check_throws<Error>(
      [&] {
        BatchNorm how;
        how.residual = Var(Tensor::zeros({3, 2}));
        batch_norm_frozen(Var(Tensor::zeros({2, 3})), layer.weight, layer.bias, layer.mean, layer.variance,
                          how);
      },
      {"batch_norm_frozen", "residual", "f32[3, 2]", "f32[2, 3]"});
  check_throws<Error>([&] { frozen(Tensor::zeros({3})); }, {"batch_norm_frozen", "two axes", "[3]"});
}
