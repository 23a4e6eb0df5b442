#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("concat_last: part after part, in every row") {
  on_every_device([](Device device) {
    for (DType dtype : {DType::f32, DType::f64, DType::i64, DType::bf16, DType::u8}) {
      for (int64_t width : {0, 1, 7, 64}) {
        Tensor a = Tensor::zeros({2, 3, 5}, dtype), b = Tensor::full({2, 3, width}, 2, dtype);
        Tensor c = Tensor::full({2, 3, 1}, 3, dtype);
        Tensor y = concat_last({Var(a.to(device)), Var(b.to(device)), Var(c.to(device))}).value().to(kCpu);
        CHECK(y.shape() == Shape{2, 3, 6 + width});
        CHECK(bit_equal(y.slice(2, 0, 5), a));
        CHECK(bit_equal(y.slice(2, 5, 5 + width), b));
        CHECK(bit_equal(y.slice(2, 5 + width, 6 + width), c));
      }
    }
  });
  on_every_cpu_level([] {
    check_gradients([](const std::vector<Var>& v) { return concat_last(v); },
                    {random_tensor({2, 2, 3}, 1), random_tensor({2, 2, 1}, 2), random_tensor({2, 2, 4}, 3)});
  });
  check_devices_agree(
      [](const std::vector<Var>& v) { return concat_last(v); },
      {random_tensor({2, 2, 3}, 1), random_tensor({2, 2, 1}, 2), random_tensor({2, 2, 40}, 3)});
}

TEST_CASE("concat_last: errors") {
  check_throws<Error>([] { concat_last({}); }, {"concat_last", "no parts"});
  check_throws<Error>(
      [] {
        concat_last({Var(Tensor::zeros({2, 3})), Var(Tensor::zeros({3, 3}))});
      },
      {"concat_last", "[3, 3]", "[2, 3]"});
  check_throws<Error>(
      [] {
        concat_last({Var(Tensor::zeros({2, 3})), Var(Tensor::zeros({2}))});
      },
      {"concat_last", "[2]"});
  check_throws<Error>(
      [] {
        concat_last({Var(Tensor::zeros({2})), Var(Tensor::zeros({2}, DType::f64))});
      },
      {"concat_last", "f32", "f64"});
}

TEST_CASE("concat: along any axis") {
  on_every_device([](Device device) {
    for (DType dtype : {DType::f32, DType::i64, DType::bf16}) {
      for (int axis : {0, 1, 2, -2}) {
        std::vector<Var> parts;
        Shape whole = {2, 3, 5};
        whole[axis] = 0;
        for (int64_t size : {2, 0, 1, 4}) {
          Shape shape = whole;
          shape[axis] = size;
          parts.push_back(Var(Tensor::full(shape, static_cast<double>(size), dtype, device)));
        }
        Tensor y = concat(parts, axis).value().to(kCpu);
        whole[axis] = 7;
        CHECK(y.shape() == whole);
        int at = axis < 0 ? axis + 3 : axis;
        int64_t from = 0;
        for (const Var& part : parts) {
          int64_t to = from + part.dim(axis);
          CHECK(bit_equal(y.slice(at, from, to).clone(), part.value().to(kCpu)));
          from = to;
        }
      }
    }
  });
  for (int axis : {0, 1, 2}) {
    Shape a = {2, 3, 4}, b = a;
    b[axis] = 1;
    check_gradients([axis](const std::vector<Var>& v) { return concat(v, axis); },
                    {random_tensor(a, 1), random_tensor(b, 2), random_tensor(a, 3)});
  }
  check_devices_agree([](const std::vector<Var>& v) { return concat(v, 1); },
                      {random_tensor({2, 3, 5}, 1), random_tensor({2, 7, 5}, 2)});
  check_throws<Error>(
      [] {
        concat({Var(Tensor::zeros({2, 3})), Var(Tensor::zeros({2, 4}))}, 0);
      },
      {"concat", "[2, 4]", "[2, 3]", "axes but 0"});
  check_throws<Error>([] { concat({Var(Tensor::zeros({2}))}, 1); }, {"concat", "[2]", "axis 1"});
}
