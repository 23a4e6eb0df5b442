// What the tape keeps, and what it does not.
#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

int64_t held() {
  return memory_use().current;
}

}  // namespace

TEST_CASE("the tape keeps what the ops ask for, not the values between them") {
  for (int64_t n : {1, 3, 1000}) {
    CAPTURE(n);
    Var x(random_tensor({n, 7}, 1), true), other(random_tensor({n, 7}, 2));
    int64_t one = x.value().bytes(), before = held();
    // None of these looks at its input or output on the way back.
    Var y = add(scale(add(scale(x, 2), other), 3), other);
    CHECK(held() == before + one);
    // relu6 keeps its output, multiply with a constant keeps the constant, which was there before.
    y = multiply(scale(relu6(scale(y, 0.5)), 4), other);
    CHECK(held() == before + 2 * one);
    y = sum(y);
    CHECK(held() == before + one + y.value().bytes());
    backward(y);
    CHECK(held() == before + one + y.value().bytes());  // now the gradient of x in place of relu6's output
  }
}

TEST_CASE("a value that somebody still holds stays, and its gradient goes on to the leaf") {
  Tensor start = random_tensor({5, 3}, 1);
  check_gradients(
      [](const std::vector<Var>& in) {
        Var twice = scale(in[0], 2);
        return add(multiply(twice, twice), add(twice, in[0]));
      },
      {start});
  Var x(start, true), middle = scale(x, 2);
  backward(sum(multiply(middle, middle)));
  CHECK(max_relative_difference(middle.value(), scale(Var(start), 2).value()) == 0);
  CHECK(max_relative_difference(x.grad(), scale(Var(start), 8).value()) <= 1e-15);
  CHECK(!middle.grad().defined());
}

TEST_CASE("a leaf that is frozen between forward and backward gets no gradient") {
  Var a(random_tensor({4}, 1), true), b(random_tensor({4}, 2), true);
  Var y = sum(multiply(a, b));
  a.set_requires_grad(false);
  std::vector<const void*> done;
  backward(y, {}, [&](const Var& leaf) { done.push_back(leaf.id()); });
  CHECK(!a.grad().defined());
  CHECK(max_relative_difference(b.grad(), a.value()) == 0);
  CHECK(done == std::vector<const void*>{b.id()});
}

TEST_CASE("a loss that is a leaf is its own gradient's end") {
  Var x(random_tensor({}, 1), true);
  int told = 0;
  backward(x, {}, [&](const Var& leaf) { told += leaf == x; });
  CHECK(x.grad().item() == 1);
  CHECK(told == 1);
}

TEST_CASE("a second backward is refused, also through a value that is held") {
  Var x(random_tensor({3}, 1), true), middle = scale(x, 2);
  backward(sum(middle));
  check_throws<Error>([&] { backward(sum(middle)); }, {"scale", "a second time"});
}

TEST_CASE("a tape of a million steps is freed, walked or not, without recursion") {
  for (bool walked : {false, true}) {
    Var x(Tensor::zeros({}, DType::f64), true), y = x;
    for (int i = 0; i < 1'000'000; ++i) y = reshape(y, {});
    if (walked) {
      backward(y);
      CHECK(x.grad().item() == 1);
    }
  }
}
