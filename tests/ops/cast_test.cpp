#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("cast: the rounded values, and the gradient in the input's own type") {
  for (Device device : devices()) {
    for (const Shape& shape : {Shape{0}, Shape{1}, Shape{3, 7}}) {
      CAPTURE(to_text(device));
      Tensor values = random_tensor(shape, 4, DType::f32), dy = random_tensor(shape, 5, DType::bf16);
      Var x(values.to(device), true);
      Var y = cast(x, DType::bf16);
      CHECK(bit_equal(y.value().to(kCpu), values.to(DType::bf16)));
      backward(y, dy.to(device));
      CHECK(x.grad().dtype() == DType::f32);
      CHECK(bit_equal(x.grad().to(kCpu), dy.to(DType::f32)));
      CHECK(cast(x, DType::f32) == x);
    }
  }
  Var counter(Tensor::zeros({2}, DType::i64));
  check_throws<Error>([&] { cast(counter, DType::f32); }, {"cast", "i64", "f32"});
  check_throws<Error>([&] { cast(Var(Tensor::zeros({2})), DType::i32); }, {"cast", "i32"});
}
