#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "tests/golden.h"

using namespace graft;
using namespace graft::test;

namespace {

Tensor labels_for(int64_t rows, int64_t classes) {
  Tensor labels = Tensor::empty({rows}, DType::i64);
  for (int64_t i = 0; i < rows; ++i) labels.data<int64_t>()[i] = i * 7 % classes;
  return labels;
}

}  // namespace

TEST_CASE("cross_entropy: PyTorch's losses and gradients: smoothing, class weights, ignored labels") {
  Golden golden("ops.json");
  on_every_cpu_level([&] {
    for (DType dtype : {DType::f32, DType::f64}) {
      double tolerance = dtype == DType::f32 ? 1e-6 : 1e-13;
      for (int64_t k = 0; k < golden.tensor("cross_entropy.cases", DType::i64).item(); ++k) {
        std::string name = str("cross_entropy.", k, ".");
        Tensor numbers = golden.tensor(name + "how");
        auto how = numbers.span<double>();
        INFO("case " << k << ": smoothing " << how[0] << " weights " << how[1] << " ignore " << how[2]);
        Var x(golden.tensor("cross_entropy.logits", dtype), true);
        CrossEntropy options{how[0], how[1] != 0 ? golden.tensor("cross_entropy.weights", dtype) : Tensor(),
                             static_cast<int64_t>(how[2])};
        Var loss = cross_entropy(x, golden.tensor(name + "labels", DType::i64), options);
        backward(add(loss, loss));
        CHECK(max_relative_difference(loss.value(), golden.tensor(name + "loss")) <= tolerance);
        CHECK(max_relative_difference(x.grad(), golden.tensor(name + "dlogits_of_twice")) <= tolerance);
        NoGrad no_grad;
        CHECK(bit_equal(cross_entropy(x, golden.tensor(name + "labels", DType::i64), options).value(),
                        loss.value()));
      }
    }
  });
}

TEST_CASE("cross_entropy: gradient") {
  on_every_cpu_level([] {
    for (Shape shape : {Shape{1, 1}, Shape{1, 2}, Shape{3, 5}, Shape{4, 37}}) {
      int64_t rows = shape[0], classes = shape[1];
      for (double smoothing : {0.0, 0.2}) {
        for (bool weighted : {false, true}) {
          Tensor weights;
          if (weighted) {
            weights = random_tensor({classes}, 5);
            for (double& w : weights.span<double>()) w = std::abs(w) + 0.1;
          }
          check_gradients(
              [&](const std::vector<Var>& v) {
                return cross_entropy(v[0], labels_for(rows, classes), {smoothing, weights});
              },
              {random_tensor({rows, classes}, 1)});
        }
      }
    }
  });
}

TEST_CASE("cross_entropy: huge logits, an impossible class, a million rows") {
  on_every_cpu_level([] {
    Tensor x = Tensor::from<float>(std::vector<float>{10000, 0, -10000}, {1, 3});
    CHECK(cross_entropy(Var(x), Tensor::full({1}, 0, DType::i64)).value().item() == 0);
    CHECK(cross_entropy(Var(x), Tensor::full({1}, 2, DType::i64)).value().item() == 20000);
    x.data<float>()[2] = -std::numeric_limits<float>::infinity();
    Var v(x, true), loss = cross_entropy(v, Tensor::full({1}, 1, DType::i64));
    CHECK(loss.value().item() == 10000);
    backward(loss);
    CHECK(v.grad().data<float>()[2] == 0);
    // Equal logits: every loss is log 3, and the mean must not drift however many there are.
    Tensor many = Tensor::full({1000003, 3}, 2);
    CHECK(cross_entropy(Var(many), labels_for(1000003, 3)).value().item() ==
          static_cast<float>(std::log(3.0)));
  });
}

TEST_CASE("cross_entropy: all ignored, or no rows: NaN, and no gradient") {
  Var x(random_tensor({2, 3}, 1), true);
  Var loss = cross_entropy(x, Tensor::full({2}, -100, DType::i64));
  CHECK(std::isnan(loss.value().item()));
  backward(loss);
  CHECK(bit_equal(x.grad(), Tensor::zeros({2, 3}, DType::f64)));
  CHECK(std::isnan(cross_entropy(Var(Tensor::zeros({0, 3})), Tensor::zeros({0}, DType::i64)).value().item()));
}

TEST_CASE("cross_entropy: the same for any thread count") {
  check_same_for_any_threads([] {
    Var x(random_tensor({1001, 37}, 1, DType::f32), true);
    Var loss = cross_entropy(x, labels_for(1001, 37), {0.1});
    backward(loss);
    return std::vector{loss.value(), x.grad()};
  });
}

TEST_CASE("cross_entropy: errors") {
  Var x(Tensor::zeros({3, 5}));
  Tensor labels = Tensor::zeros({3}, DType::i64);
  auto with = [&](int64_t label) {
    Tensor l = labels.clone();
    l.data<int64_t>()[1] = label;
    return l;
  };
  check_throws<DataError>([&] { cross_entropy(x, with(5)); },
                          {"cross_entropy", "label 5", "index 1", "5 classes"});
  check_throws<DataError>([&] { cross_entropy(x, with(-1)); }, {"label -1", "index 1"});
  check_throws<DataError>([&] { cross_entropy(x, with(-100), {0, {}, 9}); }, {"label -100", "index 1"});
  check_throws<Error>([&] { cross_entropy(x, Tensor::zeros({2}, DType::i64)); },
                      {"cross_entropy", "i64[2]", "i64[3]"});
  check_throws<Error>([&] { cross_entropy(x, Tensor::zeros({3})); }, {"cross_entropy", "f32[3]", "i64[3]"});
  check_throws<Error>(
      [&] {
        cross_entropy(x, labels, {0, Tensor::zeros({4})});
      },
      {"class weights", "f32[4]", "f32[5]"});
  check_throws<Error>([&] { cross_entropy(x, labels, {1.5}); }, {"label smoothing 1.5"});
  check_throws<Error>([] { cross_entropy(Var(Tensor::zeros({3})), Tensor::zeros({3}, DType::i64)); },
                      {"[3]"});
}
