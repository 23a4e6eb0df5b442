#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("reshape: the same elements; a view in its own order") {
  Tensor x = random_tensor({2, 6}, 1);
  CHECK(bit_equal(reshape(Var(x), {3, 4}).value(), x.reshape({3, 4})));
  CHECK(bit_equal(reshape(Var(x.transpose(0, 1)), {12}).value(), x.transpose(0, 1).clone().reshape({12})));
  CHECK(reshape(Var(Tensor::zeros({0, 3})), {7, 0}).shape() == Shape{7, 0});
  check_gradients([](const std::vector<Var>& v) { return reshape(v[0], {3, 4}); }, {x});
  check_throws<Error>([&] { reshape(Var(x), {5, 2}); }, {"reshape", "[2, 6]", "[5, 2]"});
}
