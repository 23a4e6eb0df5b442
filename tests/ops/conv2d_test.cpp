#include <algorithm>
#include <cstring>

#include "autograd/ops.h"
#include "core/parallel.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

struct ConvCase {
  const char* name;
  Shape x, weight;
  Conv2d how;
};

// Every kind of layer of the published networks in small, and the sizes that tiles get wrong.
const std::vector<ConvCase>& conv_cases() {
  static const std::vector<ConvCase> cases = {
      {"3x3", {2, 7, 9, 5}, {6, 3, 3, 5}, {1, 1, 1}},
      {"1x1", {3, 5, 4, 17}, {19, 1, 1, 17}, {}},
      {"1x1, multiples of 8", {2, 9, 8, 72}, {136, 1, 1, 72}, {}},
      {"1x1 stride 2", {2, 7, 6, 8}, {33, 1, 1, 8}, {2, 0, 1}},
      {"stem 7x7 stride 2", {1, 23, 21, 3}, {8, 7, 7, 3}, {2, 3, 1}},
      {"3x3 stride 2", {2, 8, 9, 6}, {7, 3, 3, 6}, {2, 1, 1}},
      {"3x3 stride 3 no padding", {1, 11, 10, 2}, {3, 3, 3, 2}, {3, 0, 1}},
      {"5x2 kernel, much padding", {1, 4, 5, 3}, {2, 5, 2, 3}, {2, 4, 1}},
      {"many channels, several blocks of the sum", {1, 6, 5, 70}, {65, 3, 3, 70}, {1, 1, 1}},
      {"many windows", {3, 17, 19, 4}, {5, 3, 3, 4}, {1, 1, 1}},
      {"3x3 by Winograd, odd sizes", {2, 15, 17, 32}, {37, 3, 3, 32}, {1, 1, 1}},
      {"3x3 by Winograd, no padding", {1, 17, 16, 48}, {33, 3, 3, 48}, {1, 0, 1}},
      {"3x3 by Winograd, both steps of many channels", {1, 14, 14, 272}, {35, 3, 3, 272}, {1, 1, 1}},
      {"groups", {2, 6, 5, 12}, {8, 3, 3, 3}, {1, 1, 4}},
      {"groups stride 2", {1, 7, 7, 6}, {4, 3, 3, 3}, {2, 1, 2}},
      {"depthwise", {2, 9, 14, 37}, {37, 3, 3, 1}, {1, 1, 37}},
      {"depthwise stride 2", {2, 9, 14, 20}, {20, 3, 3, 1}, {2, 1, 20}},
      {"depthwise 5x5", {1, 11, 13, 16}, {16, 5, 5, 1}, {1, 2, 16}},
      {"depthwise 5x5 stride 2", {1, 12, 13, 16}, {16, 5, 5, 1}, {2, 2, 16}},
      {"depthwise 4x7 stride 3", {1, 12, 13, 9}, {9, 4, 7, 1}, {3, 3, 9}},
      {"depthwise 1x1", {1, 5, 6, 9}, {9, 1, 1, 1}, {2, 0, 9}},
      {"depthwise with two outputs a channel", {1, 5, 6, 4}, {8, 3, 3, 1}, {1, 1, 4}},
      // Channels in multiples of 8, which bf16 on tensor cores wants.
      {"3x3, multiples of 8", {2, 7, 9, 16}, {24, 3, 3, 16}, {1, 1, 1}},
      {"3x3 stride 2, multiples of 8", {3, 8, 9, 8}, {72, 3, 3, 8}, {2, 1, 1}},
      {"4x2 stride 3, multiples of 8", {1, 11, 13, 24}, {8, 4, 2, 24}, {3, 2, 1}},
      {"groups, multiples of 8", {2, 6, 5, 32}, {48, 3, 3, 16}, {1, 1, 2}},
      {"groups of 8 to groups of 3", {1, 6, 5, 16}, {6, 3, 3, 8}, {1, 1, 2}},
      {"many windows to many channels", {1, 113, 112, 8}, {72, 1, 1, 8}, {}},
      {"many windows of many channels", {1, 112, 113, 72}, {8, 1, 1, 72}, {}},
      {"one of everything", {1, 1, 1, 1}, {1, 1, 1, 1}, {}},
      {"kernel as large as the picture", {2, 3, 4, 5}, {6, 3, 4, 5}, {}},
      {"pixels that no window covers", {1, 6, 8, 2}, {3, 1, 1, 2}, {4, 0, 1}},
      {"no pictures", {0, 5, 5, 3}, {4, 3, 3, 3}, {1, 1, 1}},
      {"no outputs", {2, 5, 5, 3}, {0, 3, 3, 3}, {1, 1, 1}},
      {"no inputs", {2, 5, 5, 0}, {3, 3, 3, 0}, {1, 1, 1}},
  };
  return cases;
}

struct ConvResult {
  Tensor y, dx, dweight, dbias;
};

// The definition, loop by loop, in double.
ConvResult naive(const ConvCase& c, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const Tensor& dy) {
  ConvResult r{dy.zeros_like(), x.zeros_like(), weight.zeros_like(), bias.zeros_like()};
  int64_t outputs = weight.dim(0) / c.how.groups, inputs = weight.dim(3);
  auto at = [](const Tensor& t, int64_t i, int64_t j, int64_t k, int64_t l) -> double& {
    return t.data<double>()[((i * t.dim(1) + j) * t.dim(2) + k) * t.dim(3) + l];
  };
  for (int64_t n = 0; n < dy.dim(0); ++n)
    for (int64_t p = 0; p < dy.dim(1); ++p)
      for (int64_t q = 0; q < dy.dim(2); ++q)
        for (int64_t o = 0; o < dy.dim(3); ++o) {
          double sum = bias.data<double>()[o], d = at(dy, n, p, q, o);
          r.dbias.data<double>()[o] += d;
          for (int64_t i = 0; i < weight.dim(1); ++i)
            for (int64_t j = 0; j < weight.dim(2); ++j)
              for (int64_t k = 0; k < inputs; ++k) {
                int64_t h = p * c.how.stride - c.how.padding + i, w = q * c.how.stride - c.how.padding + j;
                if (h < 0 || h >= x.dim(1) || w < 0 || w >= x.dim(2)) continue;
                int64_t channel = o / outputs * inputs + k;
                sum += at(x, n, h, w, channel) * at(weight, o, i, j, k);
                at(r.dx, n, h, w, channel) += d * at(weight, o, i, j, k);
                at(r.dweight, o, i, j, k) += d * at(x, n, h, w, channel);
              }
          at(r.y, n, p, q, o) = sum;
        }
  return r;
}

struct ConvInputs {
  Tensor x, weight, bias, dy;
};

ConvInputs inputs_of(const ConvCase& c, DType dtype) {
  int64_t height = (c.x[1] + 2 * c.how.padding - c.weight[1]) / c.how.stride + 1;
  int64_t width = (c.x[2] + 2 * c.how.padding - c.weight[2]) / c.how.stride + 1;
  return {random_tensor(c.x, 1, dtype), random_tensor(c.weight, 2, dtype),
          random_tensor({c.weight[0]}, 3, dtype),
          random_tensor({c.x[0], height, width, c.weight[0]}, 4, dtype)};
}

ConvResult computed(const ConvCase& c, const ConvInputs& in, Device device = kCpu) {
  Var x(in.x.to(device), true), weight(in.weight.to(device), true), bias(in.bias.to(device), true);
  Var y = conv2d(x, weight, bias, c.how);
  REQUIRE(y.shape() == in.dy.shape());
  backward(y, in.dy.to(device));
  return {y.value().to(kCpu), x.grad().to(kCpu), weight.grad().to(kCpu), bias.grad().to(kCpu)};
}

}  // namespace

TEST_CASE("conv2d: the result and all gradients are the definition's") {
  for (const ConvCase& c : conv_cases()) {
    for (DType dtype : {DType::f32, DType::f64, DType::bf16}) {
      ConvInputs in = inputs_of(c, dtype);
      ConvResult expected = naive(c, in.x.to(DType::f64), in.weight.to(DType::f64), in.bias.to(DType::f64),
                                  in.dy.to(DType::f64));
      // Sums of up to 1,000 terms in the tensor's own precision; those of bf16 are float, rounded once.
      double bar = dtype == DType::f32 ? 2e-6 : dtype == DType::f64 ? 1e-14 : 0x1p-8;
      on_every_device([&](Device device) {
        std::vector<DType> types = float_types(device);
        if (std::find(types.begin(), types.end(), dtype) == types.end()) return;
        INFO(std::string(c.name) << " " << std::string(to_text(dtype)));
        ConvResult got = computed(c, in, device);
        CHECK(max_relative_difference(got.y, expected.y) <= bar);
        CHECK(max_relative_difference(got.dx, expected.dx) <= bar);
        CHECK(max_relative_difference(got.dweight, expected.dweight) <= bar);
        CHECK(max_relative_difference(got.dbias, expected.dbias) <= bar);
      });
    }
  }
}

TEST_CASE("conv2d: gradients agree with differences") {
  for (const ConvCase& c : {ConvCase{"3x3 stride 2", {1, 5, 4, 2}, {3, 3, 3, 2}, {2, 1, 1}},
                            ConvCase{"groups", {2, 3, 3, 4}, {4, 2, 2, 2}, {1, 1, 2}},
                            ConvCase{"depthwise", {1, 5, 7, 3}, {3, 3, 3, 1}, {1, 1, 3}}}) {
    ConvInputs in = inputs_of(c, DType::f64);
    on_every_cpu_level([&] {
      INFO(std::string(c.name));
      check_gradients([&](const std::vector<Var>& v) { return conv2d(v[0], v[1], v[2], c.how); },
                      {in.x, in.weight, in.bias});
    });
  }
}

TEST_CASE("conv2d: results are the same bits for any number of threads") {
  for (const ConvCase& c : {ConvCase{"3x3", {2, 28, 28, 40}, {72, 3, 3, 40}, {1, 1, 1}},
                            ConvCase{"3x3 by Winograd", {2, 28, 28, 48}, {72, 3, 3, 48}, {1, 1, 1}},
                            ConvCase{"3x3 stride 2", {2, 28, 28, 24}, {40, 3, 3, 24}, {2, 1, 1}},
                            ConvCase{"depthwise", {2, 28, 28, 40}, {40, 3, 3, 1}, {1, 1, 40}}}) {
    INFO(std::string(c.name));
    ConvInputs in = inputs_of(c, DType::f32);
    for (Device device : devices()) {
      check_same_for_any_threads([&] {
        ConvResult r = computed(c, in, device);
        return std::vector{r.y, r.dx, r.dweight, r.dbias};
      });
    }
  }
}

TEST_CASE("conv2d: a picture's result does not depend on its batch") {
  for (ConvCase c : {ConvCase{"1x1", {5, 7, 7, 300}, {70, 1, 1, 300}, {}},
                     ConvCase{"3x3", {5, 9, 7, 40}, {33, 3, 3, 40}, {1, 1, 1}},
                     ConvCase{"3x3 by Winograd", {5, 15, 14, 32}, {33, 3, 3, 32}, {1, 1, 1}},
                     ConvCase{"depthwise", {5, 9, 7, 40}, {40, 3, 3, 1}, {1, 1, 40}}}) {
    ConvInputs in = inputs_of(c, DType::f32);
    on_every_device([&](Device device) {
      INFO(std::string(c.name));
      Var x(in.x.to(device)), weight(in.weight.to(device)), bias(in.bias.to(device));
      Tensor together = conv2d(x, weight, bias, c.how).value().to(kCpu);
      for (int64_t i = 0; i < c.x[0]; ++i) {
        Tensor alone = conv2d(Var(x.value().slice(0, i, i + 1)), weight, bias, c.how).value();
        CHECK(bit_equal(alone.to(kCpu), together.slice(0, i, i + 1).contiguous()));
      }
    });
  }
}

TEST_CASE("conv2d: views are read as what they show") {
  Tensor x = random_tensor({2, 4, 6, 5}, 1), weight = random_tensor({5, 3, 3, 4}, 2);
  Tensor turned = x.transpose(2, 3);
  ConvInputs in{turned.contiguous(), weight.transpose(0, 3).contiguous(), random_tensor({4}, 3), {}};
  CHECK_THROWS_AS(conv2d(Var(turned), Var(weight), {}, {}), Error);  // 6 channels, the weight has 4
  Tensor view = x.slice(3, 1, 5);
  CHECK(bit_equal(conv2d(Var(view), Var(weight), {}, {1, 1, 1}).value(),
                  conv2d(Var(view.contiguous()), Var(weight), {}, {1, 1, 1}).value()));
}

TEST_CASE("conv2d: only the wanted gradients are made") {
  ConvCase c{"3x3", {1, 4, 4, 3}, {2, 3, 3, 3}, {1, 1, 1}};
  ConvInputs in = inputs_of(c, DType::f32);
  ConvResult all = computed(c, in);
  for (int wanted = 1; wanted < 8; ++wanted) {
    Var x(in.x, wanted & 1), weight(in.weight, wanted & 2), bias(in.bias, wanted & 4);
    backward(conv2d(x, weight, bias, c.how), in.dy);
    CHECK(x.grad().defined() == bool(wanted & 1));
    CHECK(weight.grad().defined() == bool(wanted & 2));
    CHECK(bias.grad().defined() == bool(wanted & 4));
    if (wanted & 1) CHECK(bit_equal(x.grad(), all.dx));
    if (wanted & 2) CHECK(bit_equal(weight.grad(), all.dweight));
  }
}

TEST_CASE("conv2d: a frozen weight keeps no picture, a frozen picture no weight") {
  Tensor weight = random_tensor({2, 3, 3, 3}, 2, DType::f32);
  int64_t x_bytes = 64 * 64 * 3 * 4;
  int64_t before = memory_use().current;
  {
    Var start(random_tensor({1, 64, 64, 3}, 1, DType::f32), true);
    Var y = conv2d(Var(start.value().clone(), true), Var(weight), {}, {1, 1, 1});
    int64_t held = memory_use().current - before - start.value().bytes() - y.value().bytes();
    // The leaf itself stays, through the tape; no second copy does.
    CHECK(held <= x_bytes + 4096);
  }
  CHECK(memory_use().current == before);
}

TEST_CASE("conv2d_affine: equals the steps one by one") {
  for (const ConvCase& c : conv_cases()) {
    if (c.x[0] == 0) continue;
    on_every_device([&](Device device) {
      INFO(std::string(c.name));
      DType dtype = device.is_cuda() ? DType::f32 : DType::f64;
      ConvInputs in = inputs_of(c, dtype);
      int64_t channels = c.weight[0];
      Tensor scale = random_tensor({channels}, 5, dtype).to(DType::f64);
      Tensor shift = random_tensor({channels}, 6, dtype).to(DType::f64), residual = in.dy.to(DType::f64);
      Var x(in.x.to(device)), weight(in.weight.to(device));
      Tensor plain = conv2d(x, weight, {}, c.how).value().to(kCpu).to(DType::f64);
      for (Activation act : {Activation::none, Activation::relu, Activation::relu6}) {
        for (int parts = 0; parts < 8; ++parts) {
          Tensor expected = plain.clone();
          for (int64_t i = 0; i < expected.numel(); ++i) {
            double& v = expected.data<double>()[i];
            if (parts & 1) v *= scale.data<double>()[i % channels];
            if (parts & 2) v += shift.data<double>()[i % channels];
            if (parts & 4) v += residual.data<double>()[i];
            if (act != Activation::none) v = std::max(v, 0.0);
            if (act == Activation::relu6) v = std::min(v, 6.0);
          }
          auto there = [&](bool wanted, const Tensor& t) {
            return wanted ? t.to(dtype).to(device) : Tensor();
          };
          Var added = parts & 4 ? Var(there(true, residual)) : Var();
          Tensor got =
              conv2d_affine(x, weight, c.how, there(parts & 1, scale), there(parts & 2, shift), added, act)
                  .value();
          CHECK(max_relative_difference(got.to(kCpu), expected) <= (device.is_cuda() ? 3e-7 : 1e-15));
        }
      }
    });
  }
}

TEST_CASE("conv2d_affine: bf16 with scale and shift in f32") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (int64_t groups : {1, 20}) {  // depthwise too
      Tensor x = random_tensor({2, 5, 7, 20}, 1, DType::bf16),
             residual = random_tensor({2, 5, 7, 20}, 2, DType::bf16);
      Tensor weight = random_tensor({20, 3, 3, 20 / groups}, 3, DType::bf16);
      Tensor scale = random_tensor({20}, 4, DType::f32), shift = random_tensor({20}, 5, DType::f32);
      Tensor expected = conv2d_affine(Var(x.to(DType::f32)), Var(weight.to(DType::f32)), {1, 1, groups},
                                      scale, shift, Var(residual.to(DType::f32)), Activation::relu)
                            .value();
      Tensor got = conv2d_affine(Var(x.to(device)), Var(weight.to(device)), {1, 1, groups}, scale.to(device),
                                 shift.to(device), Var(residual.to(device)), Activation::relu)
                       .value();
      CHECK(max_relative_difference(got.to(kCpu), expected) <= 0x1p-8);
    }
  }
}

TEST_CASE("conv2d_affine: has no derivative, and says so") {
  Tensor x = random_tensor({1, 3, 3, 2}, 1), weight = random_tensor({2, 1, 1, 2}, 2);
  check_throws<Error>([&] { conv2d_affine(Var(x, true), Var(weight), {}, {}, {}, {}, Activation::relu); },
                      {"conv2d_affine", "derivative"});
  check_throws<Error>([&] { conv2d_affine(Var(x), Var(weight, true), {}, {}, {}, {}, Activation::relu); },
                      {"conv2d_affine", "derivative"});
  NoGrad no_grad;
  CHECK_FALSE(conv2d_affine(Var(x), Var(weight, true), {}, {}, {}, {}, Activation::relu).needs_grad());
}

TEST_CASE("conv2d: errors") {
  auto zeros = [](const Shape& shape, DType dtype = DType::f32) { return Var(Tensor::zeros(shape, dtype)); };
  check_throws<Error>(
      [&] {
        conv2d(zeros({5, 5, 3}), zeros({4, 3, 3, 3}), {}, {});
      },
      {"conv2d", "[5, 5, 3]"});
  check_throws<Error>([&] { conv2d(zeros({1, 5, 5, 3}), zeros({4, 3}), {}, {}); }, {"conv2d", "[4, 3]"});
  check_throws<Error>(
      [&] {
        conv2d(zeros({1, 5, 5, 3}), zeros({4, 3, 3, 2}), {}, {});
      },
      {"1 groups of 2 input channels", "3 channels"});
  check_throws<Error>(
      [&] {
        conv2d(zeros({1, 5, 5, 4}), zeros({3, 3, 3, 2}), {}, {1, 0, 2});
      },
      {"3 output channels", "2 groups"});
  check_throws<Error>(
      [&] {
        conv2d(zeros({1, 2, 5, 3}), zeros({4, 3, 3, 3}), {}, {});
      },
      {"kernel 3 x 3", "2 x 5"});
  check_throws<Error>([&] { conv2d(zeros({1, 5, 5, 3}), zeros({4, 3, 3, 3}), {}, {0, 0, 1}); }, {"stride 0"});
  check_throws<Error>(
      [&] {
        conv2d(zeros({1, 5, 5, 3}), zeros({4, 3, 3, 3}), zeros({5}), {});
      },
      {"bias", "[5]", "[4]"});
  check_throws<Error>(
      [&] {
        conv2d(zeros({1, 5, 5, 3}), zeros({4, 3, 3, 3}, DType::f64), {}, {});
      },
      {"differ in type"});
  check_throws<Error>(
      [&] {
        conv2d(zeros({1, 5, 5, 3}, DType::i64), zeros({4, 3, 3, 3}, DType::i64), {}, {});
      },
      {"conv2d", "i64"});
}
