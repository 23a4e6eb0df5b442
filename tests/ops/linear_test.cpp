#include "autograd/ops.h"
#include "core/parallel.h"
#include "tests/golden.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("linear: x weight^T + bias, over any leading axes") {
  for (Shape shape :
       {Shape{5}, Shape{1, 1}, Shape{3, 7}, Shape{2, 3, 65}, Shape{0, 4}, Shape{2, 0}, Shape{101, 300}}) {
    int64_t inputs = shape.back(), rows = 1;
    for (int axis = 0; axis + 1 < shape.rank(); ++axis) rows *= shape[axis];
    for (int64_t outputs : {1, 10, 33}) {
      Tensor x = random_tensor(shape, 1), weight = random_tensor({outputs, inputs}, 2),
             bias = random_tensor({outputs}, 3);
      Shape out_shape = shape;
      out_shape[-1] = outputs;
      Tensor plain = Tensor::zeros(out_shape, DType::f64), shifted = plain.clone();
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t o = 0; o < outputs; ++o) {
          double sum = 0;
          for (int64_t k = 0; k < inputs; ++k)
            sum += x.data<double>()[i * inputs + k] * weight.data<double>()[o * inputs + k];
          plain.data<double>()[i * outputs + o] = sum;
          shifted.data<double>()[i * outputs + o] = sum + bias.data<double>()[o];
        }
      }
      on_every_cpu_level([&] {
        INFO(to_text(shape) << " to " << outputs);
        CHECK(max_relative_difference(linear(Var(x), Var(weight)).value(), plain) <= 1e-14);
        CHECK(max_relative_difference(linear(Var(x), Var(weight), Var(bias)).value(), shifted) <= 1e-14);
        Var narrow = linear(Var(x.to(DType::f32)), Var(weight.to(DType::f32)), Var(bias.to(DType::f32)));
        CHECK(max_relative_difference(narrow.value(), shifted) <= 2e-6);
      });
    }
  }
}

TEST_CASE("linear: gradient") {
  on_every_cpu_level([] {
    auto f = [](const std::vector<Var>& v) { return linear(v[0], v[1], v.size() > 2 ? v[2] : Var()); };
    check_gradients(f, {random_tensor({3, 5}, 1), random_tensor({4, 5}, 2), random_tensor({4}, 3)});
    check_gradients(f, {random_tensor({2, 3, 2}, 1), random_tensor({3, 2}, 2)});
    check_gradients(f, {random_tensor({7}, 1), random_tensor({1, 7}, 2)});
  });
  for (Shape shape : {Shape{1, 1}, Shape{3, 5}, Shape{7, 2, 66}, Shape{0, 4}, Shape{2, 0}, Shape{530, 20}}) {
    check_devices_agree(
        [](const std::vector<Var>& v) { return linear(v[0], v[1], v[2]); },
        {random_tensor(shape, 1), random_tensor({35, shape.back()}, 2), random_tensor({35}, 3)});
  }
}

namespace {

struct ActivationCase {
  const char* name;
  Activation act;
};
constexpr ActivationCase kActivations[] = {{"none", Activation::none},
                                           {"relu", Activation::relu},
                                           {"relu6", Activation::relu6},
                                           {"gelu", Activation::gelu},
                                           {"gelu_tanh", Activation::gelu_tanh}};

}  // namespace

TEST_CASE("linear with a residual and an activation: PyTorch's values and gradients") {
  Golden golden("ops.json");
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      for (const ActivationCase& c : kActivations) {
        INFO(std::string(c.name) << " " << std::string(to_text(dtype)));
        std::vector<Var> v;
        for (const char* name : {"x", "weight", "bias", "residual"})
          v.emplace_back(golden.tensor(str("linear.", name), dtype).to(device), true);
        Var y = linear_act(v[0], v[1], v[2], c.act, v[3]);
        backward(y, golden.tensor("linear.dy", dtype).to(device));
        auto check = [&](const Tensor& got, const char* name) {
          CHECK(max_relative_difference(got.to(kCpu), golden.tensor(str("linear.", c.name, ".", name))) <=
                2 * tolerance(dtype));
        };
        check(y.value(), "y");
        check(v[0].grad(), "dx");
        check(v[1].grad(), "dweight");
        check(v[2].grad(), "dbias");
        check(v[3].grad(), "dresidual");
      }
    }
  });
}

TEST_CASE("linear with a residual and an activation: gradients, and devices agree") {
  for (const ActivationCase& c : kActivations) {
    INFO(std::string(c.name));
    auto f = [&](const std::vector<Var>& v) {
      Var bias = v.size() == 4 ? v[2] : Var();
      return linear_act(v[0], v[1], bias, c.act, v.size() > 2 ? v.back() : Var());
    };
    on_every_cpu_level([&] {
      check_gradients(f, {random_tensor({3, 5}, 1), random_tensor({4, 5}, 2), random_tensor({4}, 3),
                          random_tensor({3, 4}, 4)});
      check_gradients(f,
                      {random_tensor({2, 1, 3}, 1), random_tensor({5, 3}, 2), random_tensor({2, 1, 5}, 3)});
      check_gradients(f, {random_tensor({7}, 1), random_tensor({2, 7}, 2)});
    });
    // Tiles whole and cut, multiples of 8 and not. A sum just below 6 is 6 in bf16, where relu6 is flat: its
    // gradient is another one then, and PyTorch's values above must do.
    Agreement how{.gradients = c.act != Activation::relu6};
    for (Shape shape :
         {Shape{1, 1}, Shape{3, 5}, Shape{70, 40}, Shape{2, 33, 130}, Shape{0, 4}, Shape{2, 0}}) {
      for (int64_t outputs : {35, 72}) {
        Shape out = shape;
        out[-1] = outputs;
        check_devices_agree(f,
                            {random_tensor(shape, 1), random_tensor({outputs, shape.back()}, 2),
                             random_tensor({outputs}, 3), random_tensor(out, 4)},
                            how);
      }
    }
  }
}

TEST_CASE("linear with an activation: what the gradient does not need is not kept") {
  Tensor x = random_tensor({3, 5}, 1), weight = random_tensor({4, 5}, 2), residual = random_tensor({3, 4}, 3);
  for (const ActivationCase& c : kActivations) {
    for (int wanted = 1; wanted < 8; ++wanted) {
      Var vx(x, wanted & 1), vw(weight, wanted & 2), vr(residual, wanted & 4);
      backward(linear_act(vx, vw, {}, c.act, vr), random_tensor({3, 4}, 4));
      CHECK(vx.grad().defined() == bool(wanted & 1));
      CHECK(vw.grad().defined() == bool(wanted & 2));
      CHECK(vr.grad().defined() == bool(wanted & 4));
    }
    NoGrad no_grad;
    CHECK_FALSE(linear_act(Var(x, true), Var(weight, true), {}, c.act).needs_grad());
  }
}

TEST_CASE("linear: only the wanted gradients are made") {
  Tensor x = random_tensor({3, 5}, 1), weight = random_tensor({4, 5}, 2), bias = random_tensor({4}, 3);
  for (int wanted = 1; wanted < 8; ++wanted) {
    Var vx(x, wanted & 1), vw(weight, wanted & 2), vb(bias, wanted & 4);
    backward(linear(vx, vw, vb), random_tensor({3, 4}, 4));
    CHECK(vx.grad().defined() == bool(wanted & 1));
    CHECK(vw.grad().defined() == bool(wanted & 2));
    CHECK(vb.grad().defined() == bool(wanted & 4));
  }
}

TEST_CASE("linear: a row's result does not depend on the others") {
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      Tensor x = random_tensor({137, 600}, 1, dtype).to(device),
             weight = random_tensor({45, 600}, 2, dtype).to(device);
      Tensor all = linear(Var(x), Var(weight)).value().to(kCpu);
      for (int64_t i : {0, 13, 136}) {
        Tensor alone = linear(Var(x.slice(0, i, i + 1)), Var(weight)).value();
        CHECK(bit_equal(alone.to(kCpu), all.slice(0, i, i + 1).contiguous()));
      }
    }
  });
}

TEST_CASE("linear: errors") {
  auto zeros = [](const Shape& shape, DType dtype = DType::f32) { return Var(Tensor::zeros(shape, dtype)); };
  check_throws<Error>([&] { linear(zeros({2, 3}), zeros({4, 5})); }, {"linear", "[2, 3]", "[4, 5]"});
  check_throws<Error>(
      [&] {
        linear(zeros({2, 3}), zeros({4, 3, 1}));
      },
      {"linear", "[4, 3, 1]", "[outputs, inputs]"});
  check_throws<Error>([&] { linear(zeros({}), zeros({4, 3})); }, {"linear"});
  check_throws<Error>(
      [&] {
        linear(zeros({2, 3}), zeros({4, 3}), zeros({3}));
      },
      {"linear", "bias", "[3]", "[4]"});
  check_throws<Error>([&] { linear(zeros({2, 3}), zeros({4, 3}, DType::f64)); }, {"linear", "type"});
  check_throws<Error>(
      [&] {
        linear_act(zeros({2, 3}), zeros({4, 3}), {}, Activation::gelu, zeros({2, 3}));
      },
      {"linear", "residual", "[2, 3]", "[2, 4]"});
}
