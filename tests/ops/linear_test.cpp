#include "autograd/ops.h"
#include "core/parallel.h"
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
}
