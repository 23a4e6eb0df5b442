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
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      if (dtype == DType::bf16) continue;  // the recorded inputs are no bf16 numbers
      double most = dtype == DType::f32 ? 1e-6 : tolerance(dtype);
      for (int64_t k = 0; k < golden.tensor("cross_entropy.cases", DType::i64).item(); ++k) {
        std::string name = str("cross_entropy.", k, ".");
        Tensor numbers = golden.tensor(name + "how");
        auto how = numbers.span<double>();
        INFO("case " << k << ": smoothing " << how[0] << " weights " << how[1] << " ignore " << how[2]);
        Var x(golden.tensor("cross_entropy.logits", dtype).to(device), true);
        Tensor weights = how[1] != 0 ? golden.tensor("cross_entropy.weights", dtype).to(device) : Tensor();
        Tensor labels = golden.tensor(name + "labels", DType::i64).to(device);
        CrossEntropy options{how[0], weights, static_cast<int64_t>(how[2])};
        Var loss = cross_entropy(x, labels, options);
        backward(add(loss, loss));
        Tensor value = loss.value().to(kCpu), grad = x.grad().to(kCpu);
        CHECK(max_relative_difference(value, golden.tensor(name + "loss")) <= most);
        CHECK(max_relative_difference(grad, golden.tensor(name + "dlogits_of_twice")) <= most);
        NoGrad no_grad;
        CHECK(bit_equal(cross_entropy(x, labels, options).value().to(kCpu), value));
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

TEST_CASE("cross_entropy: every device agrees, with few classes and many") {
  for (Shape shape : {Shape{1, 1}, Shape{1, 2}, Shape{9, 5}, Shape{300, 37}, Shape{3, 1025}}) {
    for (double smoothing : {0.0, 0.2}) {
      for (bool weighted : {false, true}) {
        check_devices_agree(
            [&](const std::vector<Var>& v) {
              Device device = v[0].value().device();
              Tensor labels = labels_for(shape[0], shape[1]), weights;
              if (weighted) {
                weights = Tensor::empty({shape[1]}, DType::f64);
                for (int64_t k = 0; k < shape[1]; ++k) weights.data<double>()[k] = 0.5 + 0.25 * (k % 5);
                weights = weights.to(v[0].value().dtype()).to(device);
              }
              return cross_entropy(v[0], labels.to(device), {smoothing, weights});
            },
            {random_tensor(shape, 1)});
      }
    }
  }
}

TEST_CASE("cross_entropy: huge logits, an impossible class, a million rows") {
  on_every_device([](Device device) {
    auto loss_of = [&](const Tensor& x, const Tensor& labels) {
      return cross_entropy(Var(x.to(device)), labels.to(device)).value().to(kCpu).item();
    };
    Tensor x = Tensor::from<float>(std::vector<float>{10000, 0, -10000}, {1, 3});
    CHECK(loss_of(x, Tensor::full({1}, 0, DType::i64)) == 0);
    CHECK(loss_of(x, Tensor::full({1}, 2, DType::i64)) == 20000);
    x.data<float>()[2] = -std::numeric_limits<float>::infinity();
    Var v(x.to(device), true), loss = cross_entropy(v, Tensor::full({1}, 1, DType::i64, device));
    CHECK(loss.value().to(kCpu).item() == 10000);
    backward(loss);
    CHECK(v.grad().to(kCpu).data<float>()[2] == 0);
    // Equal logits: every loss is log 3, and the mean must not drift however many there are.
    int64_t rows = device.is_cuda() ? 10003 : 1000003;  // simulated threads are slow
    CHECK(loss_of(Tensor::full({rows, 3}, 2), labels_for(rows, 3)) == static_cast<float>(std::log(3.0)));
  });
}

TEST_CASE("cross_entropy: all ignored, or no rows: NaN, and no gradient") {
  on_every_device([](Device device) {
    Var x(random_tensor({2, 3}, 1, DType::f32).to(device), true);
    Var loss = cross_entropy(x, Tensor::full({2}, -100, DType::i64, device));
    CHECK(std::isnan(loss.value().to(kCpu).item()));
    backward(loss);
    CHECK(bit_equal(x.grad().to(kCpu), Tensor::zeros({2, 3})));
    Var nothing(Tensor::zeros({0, 3}, DType::f32, device));
    CHECK(std::isnan(cross_entropy(nothing, Tensor::zeros({0}, DType::i64, device)).value().to(kCpu).item()));
  });
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

TEST_CASE("cross_entropy: a label out of range on a device is told by the next copy to the CPU, once") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    Tensor labels = labels_for(700, 5);
    labels.data<int64_t>()[600] = -7;
    labels.data<int64_t>()[333] = 5;  // the first of the two
    Var x(random_tensor({700, 5}, 1, DType::f32).to(device), true);
    Var loss = cross_entropy(x, labels.to(device));
    check_throws<DataError>([&] { loss.value().to(kCpu); },
                            {"cross_entropy", "label 5", "index 333", "5 classes", "0 to 4", "-100"});
    CHECK(std::isfinite(loss.value().to(kCpu).item()));
  }
}
