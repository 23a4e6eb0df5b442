#include "nn/optim/optimizer.h"

#include <cmath>
#include <memory>

#include "core/sha256.h"
#include "tests/golden.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;

namespace {

std::unique_ptr<Optimizer> make(const std::string& name, const std::vector<Var>& parameters) {
  bool decays = name != "sgd" && name != "adamw_other" && name != "adam";
  std::vector<ParameterGroup> groups = {{"all", parameters, 1, decays ? 0.05 : 0}};
  if (name == "adamw") return std::make_unique<AdamW>(groups);
  if (name == "adamw_other") return std::make_unique<AdamW>(groups, AdamOptions{0.7, 0.95, 1e-2});
  if (name == "adam") return std::make_unique<Adam>(groups);
  if (name == "adam_decay") return std::make_unique<Adam>(groups, AdamOptions{0.8, 0.99, 1e-4});
  if (name == "lamb") return std::make_unique<Lamb>(groups);
  double momentum = name == "sgd_momentum" || name == "sgd_nesterov" ? 0.9 : 0;
  return std::make_unique<Sgd>(groups, SgdOptions{momentum, name == "sgd_nesterov"});
}

const std::vector<std::string> kPyTorchs = {"sgd",   "sgd_decay",   "sgd_momentum", "sgd_nesterov",
                                            "adamw", "adamw_other", "adam",         "adam_decay"};
const std::vector<std::string> kOptimizers = [] {
  std::vector<std::string> all = kPyTorchs;
  all.push_back("lamb");
  return all;
}();

// Two parameters under random gradients, a function of the step.
struct Training {
  explicit Training(const std::string& name, DType dtype = DType::f32, Device device = kCpu)
      : parameters{Var(random_tensor({40, 500}, 1, dtype).to(device), true),
                   Var(random_tensor({7}, 2, dtype).to(device), true)},
        optimizer(make(name, parameters)) {}
  void steps(int from, int to) {
    for (int k = from; k < to; ++k) {
      for (const Var& p : parameters) {
        Tensor grad = random_tensor(p.shape(), static_cast<uint64_t>(100 + k), p.value().dtype());
        p.set_grad(grad.to(p.value().device()));
      }
      optimizer->step(0.01);
    }
  }
  Tensor value(size_t i) const { return parameters[i].value().to(kCpu); }
  std::vector<Var> parameters;
  std::unique_ptr<Optimizer> optimizer;
};

}  // namespace

TEST_CASE("optimizer: PyTorch's trajectories over 20 steps") {
  Golden golden("ops.json");
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      if (dtype == DType::bf16) continue;  // the recorded gradients are no bf16 numbers
      for (const std::string& name : kPyTorchs) {
        INFO(name << " " << std::string(to_text(dtype)));
        std::vector<Var> parameters;
        std::vector<Tensor> grads, paths;
        for (int i = 0; i < 2; ++i) {
          parameters.emplace_back(golden.tensor(str("optimizer.start.", i), dtype).to(device).clone(), true);
          grads.push_back(golden.tensor(str("optimizer.grads.", i), dtype).to(device));
          paths.push_back(golden.tensor(str("optimizer.", name, ".", i)));
        }
        auto optimizer = make(name, parameters);
        for (int64_t step = 0; step < 20; ++step) {
          optimizer->zero_grad();
          for (size_t i = 0; i < 2; ++i) {
            if (i == 1 && step < 2) continue;  // its state starts later, as in the recording
            parameters[i].set_grad(grads[i].slice(0, step, step + 1).reshape(parameters[i].shape()));
          }
          optimizer->step(0.1 / static_cast<double>(1 + step));
          for (size_t i = 0; i < 2; ++i) {
            Tensor expected = paths[i].slice(0, step, step + 1).reshape(parameters[i].shape());
            CHECK(max_relative_difference(parameters[i].value().to(kCpu), expected) <=
                  (dtype == DType::f32 ? 2e-6 : 1e-13));
          }
        }
      }
    }
  });
}

namespace {

// LAMB as its paper writes it, in double, for one parameter.
struct PlainLamb {
  std::vector<double> x, mean, square;
  double beta1 = 0.8, beta2 = 0.95, eps = 1e-3, decay = 0.1;
  int t = 0;
  void step(const Tensor& grad, double lr) {
    ++t;
    std::vector<double> update(x.size());
    double of_x = 0, of_update = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      double g = grad.data<double>()[i];
      mean[i] = beta1 * mean[i] + (1 - beta1) * g;
      square[i] = beta2 * square[i] + (1 - beta2) * g * g;
      double m = mean[i] / (1 - std::pow(beta1, t)), v = square[i] / (1 - std::pow(beta2, t));
      update[i] = m / (std::sqrt(v) + eps) + decay * x[i];
      of_x += x[i] * x[i];
      of_update += update[i] * update[i];
    }
    double ratio = of_x > 0 && of_update > 0 ? std::sqrt(of_x / of_update) : 1;
    for (size_t i = 0; i < x.size(); ++i) x[i] -= lr * ratio * update[i];
  }
};

}  // namespace

TEST_CASE("lamb: the paper's algorithm in double; a norm of 0, any size") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      if (dtype == DType::bf16) continue;  // below, against f32
      std::vector<Var> parameters;
      std::vector<PlainLamb> plain;
      std::vector<int64_t> sizes = {1, 7, 0, 40001, 3000};
      for (size_t k = 0; k < sizes.size(); ++k) {
        Tensor start = random_tensor({sizes[k]}, k, DType::f32).to(DType::f64);
        if (k == 4) start.fill(0);
        parameters.emplace_back(start.to(dtype).to(device).clone(), true);
        auto values = start.span<double>();
        plain.push_back({{values.begin(), values.end()},
                         std::vector<double>(values.size()),
                         std::vector<double>(values.size())});
      }
      Lamb lamb({{"all", parameters, 0.5, 0.1}}, {0.8, 0.95, 1e-3});
      for (uint64_t step = 0; step < 5; ++step) {
        for (size_t k = 0; k < sizes.size(); ++k) {
          Tensor grad = random_tensor({sizes[k]}, 100 * step + k, DType::f32).to(DType::f64);
          if (k == 1 && step == 0) grad.fill(0);
          parameters[k].set_grad(grad.to(dtype).to(device));
          plain[k].step(grad, 0.01);
        }
        lamb.step(0.02);
      }
      for (size_t k = 0; k < sizes.size(); ++k) {
        Tensor expected = Tensor::from(plain[k].x, {sizes[k]});
        CHECK_MESSAGE(max_relative_difference(parameters[k].value().to(kCpu), expected) <=
                          (dtype == DType::f32 ? 2e-6 : 1e-13),
                      "parameter " << k);
      }
    }
  });
}

TEST_CASE("optimizer: groups have their own rate and decay") {
  Var a(Tensor::full({3}, 1, DType::f64), true), b(Tensor::full({3}, 1, DType::f64), true);
  Sgd sgd({{"a", {a}, 0.1, 0}, {"b", {b}, 1, 0.5}});
  for (const Var& p : {a, b}) p.set_grad(Tensor::full({3}, 2, DType::f64));
  sgd.step(0.01);
  CHECK(a.value().data<double>()[0] == doctest::Approx(1 - 0.001 * 2));
  CHECK(b.value().data<double>()[0] == doctest::Approx(1 - 0.01 * (2 + 0.5)));
}

TEST_CASE("optimizer: a parameter that is frozen, or has no gradient, keeps every bit, weight decay or not") {
  for (Device device : devices()) {
    for (const std::string& name : kOptimizers) {
      Training t(name, DType::f32, device);
      t.steps(0, 3);  // momentum has built up
      t.parameters[0].set_requires_grad(false);
      std::string before = sha256(t.value(0)), moving = sha256(t.value(1));
      for (int k = 0; k < 20; ++k) {
        // Even if somebody left a gradient there.
        t.parameters[0].set_grad(random_tensor({40, 500}, 1, DType::f32).to(device));
        t.parameters[1].set_grad(random_tensor({7}, 1, DType::f32).to(device));
        t.optimizer->step(0.01);
      }
      CHECK(sha256(t.value(0)) == before);
      CHECK(sha256(t.value(1)) != moving);
      moving = sha256(t.value(1));
      t.optimizer->zero_grad();
      t.optimizer->step(0.01);
      CHECK(sha256(t.value(1)) == moving);
    }
  }
}

TEST_CASE("optimizer: a resumed run equals an uninterrupted one, bit by bit") {
  for (Device device : devices()) {
    for (DType dtype : float_types(device)) {
      for (const std::string& name : kOptimizers) {
        INFO(to_text(device) << " " << std::string(to_text(dtype)) << " " << name);
        Training whole(name, dtype, device), first(name, dtype, device), second(name, dtype, device);
        whole.steps(0, 10);
        first.steps(0, 4);
        for (size_t i = 0; i < 2; ++i) second.parameters[i].value().copy_from(first.parameters[i].value());
        OptimizerState state = first.optimizer->state();
        for (auto& [key, tensor] : state) tensor = tensor.to(kCpu);  // as from a file
        second.optimizer->load_state(state);
        first.steps(4, 7);  // the copy must not follow
        second.steps(4, 10);
        for (size_t i = 0; i < 2; ++i) CHECK(bit_equal(second.value(i), whole.value(i)));
      }
    }
  }
}

TEST_CASE("optimizer: state is named after the parameters") {
  Var p(Tensor::zeros({2}), true), q(Tensor::zeros({3}), true);
  AdamW adamw({{"head", {p, q}, 1, 0, {"fc.weight", "fc.bias"}}});
  CHECK(adamw.state().empty());
  q.set_grad(Tensor::full({3}, 1));
  adamw.step(0.1);
  OptimizerState state = adamw.state();
  REQUIRE(state.size() == 3);
  CHECK(state[0].first == "fc.bias.mean");
  CHECK(state[1].first == "fc.bias.square");
  CHECK(state[2].first == "fc.bias.steps");
  CHECK(state[2].second.item() == 1);
  adamw.load_state({});
  CHECK(adamw.state().empty());
}

TEST_CASE("optimizer: a state that does not fit is refused and changes nothing") {
  Training t("adamw");
  t.steps(0, 2);
  OptimizerState good = t.optimizer->state();
  auto refused = [&](const OptimizerState& state, const std::vector<std::string>& parts) {
    check_throws<DataError>([&] { t.optimizer->load_state(state); }, parts);
    CHECK(t.optimizer->state().size() == good.size());
    CHECK(t.optimizer->state()[0].second.shares_storage(good[0].second));
  };
  OptimizerState state = good;
  state.emplace_back("fc.weight.mean", Tensor::zeros({2}));
  refused(state, {"fc.weight.mean", "no parameter"});
  state = good;
  state.erase(state.begin());
  refused(state, {"all.0.mean", "missing"});
  state = good;
  state[1].second = Tensor::zeros({3});
  refused(state, {"all.0.square", "f32[3]", "f32[40, 500]"});
  state = good;
  state[2].second = Tensor::zeros({}, DType::i64);
  refused(state, {"all.0.steps", "at least 1"});
  state = good;
  state.push_back(state[0]);
  refused(state, {"all.0.mean", "twice"});
}

TEST_CASE("optimizer: the same for any thread count") {
  for (const std::string& name : kOptimizers) {
    check_same_for_any_threads([&] {
      Training t(name);
      t.steps(0, 5);
      return std::vector{t.parameters[0].value(), t.parameters[1].value()};
    });
  }
}

TEST_CASE("optimizer: any size, and errors") {
  for (int64_t n : {0, 1, 17}) {
    Var p(Tensor::full({n}, 1), true);
    Sgd sgd({{"p", {p}}});
    p.set_grad(Tensor::full({n}, 1));
    sgd.step(0.5);
    CHECK(bit_equal(p.value(), Tensor::full({n}, 0.5)));
  }
  Var p(Tensor::zeros({2}), true), q(Tensor::zeros({2}), true);
  check_throws<Error>([&] { Sgd({{"a", {p}}, {"b", {q, p}}}); }, {"a.0", "b.1", "same parameter"});
  check_throws<Error>([&] { Sgd({{"a", {p, q}, 1, 0, {"x", "x"}}}); }, {"two parameters", "x"});
  check_throws<Error>([&] { Sgd({{"a", {p, q}, 1, 0, {"x"}}}); }, {"2 parameters and 1 names"});
  check_throws<UsageError>([&] { Sgd({{"a", {p}}}, {0, true}); }, {"nesterov"});
  check_throws<UsageError>([&] { AdamW({{"a", {p}}}, {0.9, 1}); }, {"adamw: betas"});
  check_throws<UsageError>([&] { Adam({{"a", {p}}}, {0.9, 0.9, 0}); }, {"adam: eps 0"});
  check_throws<UsageError>([&] { Lamb({{"a", {p}}}, {-1}); }, {"lamb: betas -1"});
}

TEST_CASE("optimizer: bf16 parameters follow the f32 ones, however small the steps") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (const std::string& name : kOptimizers) {
      INFO(name);
      Var p(random_tensor({3, 701}, 1, DType::bf16).to(device), true), q(p.value().to(DType::f32), true);
      auto half = make(name, {p}), single = make(name, {q});
      Tensor start = p.value().clone();
      for (uint64_t k = 0; k < 50; ++k) {
        Tensor grad = random_tensor({3, 701}, 10, DType::bf16).to(device);
        p.set_grad(grad);
        q.set_grad(grad.to(DType::f32));
        for (auto* optimizer : {half.get(), single.get()}) optimizer->step(1e-5);
      }
      CHECK(bit_equal(p.value().to(kCpu), q.value().to(DType::bf16).to(kCpu)));
      CHECK_FALSE(bit_equal(p.value().to(kCpu), start.to(kCpu)));
      REQUIRE(half->state().size() > 0);
      bool has_master = false;
      for (const auto& [key, tensor] : half->state()) {
        has_master = has_master || (key == "all.0.master" && tensor.dtype() == DType::f32);
      }
      CHECK(has_master);
    }
  }
}

TEST_CASE("optimizer: more parameters than one launch takes, of any size, of two types") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (const char* name : {"adamw", "adam_decay", "lamb"}) {
      INFO(std::string(name));
      std::vector<Var> there, here;
      for (int64_t i = 0; i < 600; ++i) {
        int64_t n = i % 100 == 7 ? 3000 + i : i % 5;  // some have no element
        Tensor value = random_tensor({n}, static_cast<uint64_t>(i), i % 2 == 0 ? DType::f32 : DType::bf16);
        Tensor grad = random_tensor({n}, static_cast<uint64_t>(i + 1000), value.dtype());
        there.emplace_back(value.to(device), true);
        here.emplace_back(value.to(DType::f32).clone(), true);
        there.back().set_grad(grad.to(device));
        here.back().set_grad(grad.to(DType::f32));
      }
      make(name, there)->step(0.01);
      make(name, here)->step(0.01);
      for (size_t i = 0; i < there.size(); ++i) {
        Tensor value = there[i].value().to(kCpu), expected = here[i].value();
        CHECK_MESSAGE(max_relative_difference(value, expected) <= tolerance(value.dtype()),
                      "parameter " << i);
      }
    }
  }
}
