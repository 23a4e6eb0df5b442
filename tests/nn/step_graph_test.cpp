// A recorded training step does what the steps do one by one, to the bit.
#include "core/step_graph.h"

#include <cmath>

#include "autograd/ops.h"
#include "core/accelerator.h"
#include "kernels/binary.h"
#include "nn/layers.h"
#include "nn/optim/optimizer.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

constexpr int64_t kBatch = 3;

// A bit of everything that counts or draws: batch statistics and dropout.
struct Small : nn::Module {
  nn::Conv2d conv{{.in = 3, .out = 8, .size = 3, .padding = 1}};
  nn::BatchNorm2d bn{8};
  nn::Dropout dropout{0.4, 11};
  nn::Linear fc{8, 5};

  Small() {
    conv.weight.var.value().copy_from(random_tensor({8, 3, 3, 3}, 1, DType::f32));
    fc.weight.var.value().copy_from(random_tensor({5, 8}, 2, DType::f32));
    train();
  }
  void parts(nn::Parts& p) override { p("conv", conv)("bn", bn)("dropout", dropout)("fc", fc); }
  Var forward(const Var& x) {  // x: [N, H, W, 3]
    return fc.forward(dropout.forward(global_avg_pool(relu(bn.forward(conv.forward(x))))));
  }
};

enum class Kind { sgd, adamw, lamb };

std::unique_ptr<nn::Optimizer> optimizer_for(Kind kind, nn::Module& network) {
  nn::ParameterGroup group{"all", {}, 1, 0.01};
  for (const nn::NamedTensor& t : nn::named_parameters(network)) group.parameters.push_back(t.parameter->var);
  std::vector<nn::ParameterGroup> groups = {group};
  if (kind == Kind::sgd) return std::make_unique<nn::Sgd>(groups, nn::SgdOptions{.momentum = 0.9});
  if (kind == Kind::adamw) return std::make_unique<nn::AdamW>(groups);
  return std::make_unique<nn::Lamb>(groups);
}

// One training on `device`, by a StepGraph or without.
struct Training {
  Device device;
  DType precision;
  Small network;
  std::unique_ptr<nn::Optimizer> optimizer;
  Tensor x, labels;
  double rate = 0;
  int calls = 0;  // of step()
  StepGraph graph;

  Training(Device d, Kind kind, DType p = DType::f32) : device(d), precision(p), graph(d) {
    nn::move_to(network, device);
    optimizer = optimizer_for(kind, network);
    x = Tensor::empty({kBatch, 5, 5, 3}, DType::f32, device);
    labels = Tensor::empty({kBatch}, DType::i64, device);
  }

  Tensor loss_of(const Var& images, const Tensor& truth) {
    ++calls;
    optimizer->zero_grad();
    Var loss = cross_entropy(cast(network.forward(cast(images, precision)), DType::f32), truth);
    backward(loss);
    every_step("optimizer", [this, apply = optimizer->prepared()] { apply(rate); });
    return loss.value();
  }
  double step(int number, bool by_graph) {
    feed(x, random_tensor(x.shape(), 100 + static_cast<uint64_t>(number), DType::f32));
    feed(labels, Tensor::from<int64_t>(std::vector<int64_t>{number % 5, (number + 3) % 5, 1}, {kBatch}));
    rate = 0.02 * std::cos(0.1 * number);
    auto one = [this] { return std::vector<Tensor>{loss_of(Var(x), labels)}; };
    return (by_graph ? graph.run(one)[0] : one()[0]).to(kCpu).item();
  }
  // A smaller batch, outside of the graph.
  double odd_step() {
    Tensor few = random_tensor({2, 5, 5, 3}, 77, DType::f32).to(device);
    return loss_of(Var(few), Tensor::from<int64_t>(std::vector<int64_t>{4, 0}, {2}).to(device))
        .to(kCpu)
        .item();
  }
};

void check_same(Training& a, Training& b) {
  auto x = nn::named_tensors(a.network), y = nn::named_tensors(b.network);
  for (size_t i = 0; i < x.size(); ++i) {
    CHECK_MESSAGE(bit_equal(x[i].value().to(kCpu), y[i].value().to(kCpu)), x[i].name);
  }
  auto p = a.optimizer->state(), q = b.optimizer->state();
  REQUIRE(p.size() == q.size());
  for (size_t i = 0; i < p.size(); ++i) {
    CHECK_MESSAGE(bit_equal(p[i].second.to(kCpu), q[i].second.to(kCpu)), p[i].first);
  }
  CHECK(a.network.dropout.draws() == b.network.dropout.draws());
}

void on_every_accelerator(const std::function<void(Device)>& f) {
  for (Device device : devices()) {
    if (device.is_cuda()) f(device);
  }
}

}  // namespace

TEST_CASE("step graph: played steps equal computed ones, with every optimizer, a changing rate and dropout") {
  for (Device device : devices()) {
    CAPTURE(to_text(device));
    for (Kind kind : {Kind::sgd, Kind::adamw, Kind::lamb}) {
      for (DType precision : {DType::f32, DType::bf16}) {
        if (precision == DType::bf16 && !device.is_cuda()) continue;
        Training eager(device, kind, precision), played(device, kind, precision);
        std::vector<double> losses;
        for (int number = 0; number < 6; ++number) {
          losses.push_back(eager.step(number, false));
          CHECK(played.step(number, true) == losses.back());
          // Whoever allocates between two steps must not meet the recording's memory.
          for (int64_t n : {1, 16, 40, 600, 1800}) Tensor::full({n}, NAN, DType::f32, device);
        }
        check_same(eager, played);
        CHECK(played.graph.recorded() == device.is_cuda());
        CHECK(played.calls == (device.is_cuda() ? 2 : 6));
        CHECK(eager.network.dropout.draws() == 6);
        CHECK(losses[4] != losses[5]);
      }
    }
  }
}

TEST_CASE("step graph: a step of another shape in between is computed, and the recording goes on") {
  on_every_accelerator([](Device device) {
    Training eager(device, Kind::adamw), played(device, Kind::adamw);
    for (int number = 0; number < 5; ++number) {
      CHECK(played.step(number, true) == eager.step(number, false));
      if (number % 2 == 1) CHECK(played.odd_step() == eager.odd_step());
    }
    check_same(eager, played);
  });
}

TEST_CASE("step graph: a rate that is no part of every_step stays as it was recorded") {
  on_every_accelerator([](Device device) {
    for (bool as_part : {true, false}) {
      Training eager(device, Kind::sgd), played(device, Kind::sgd);
      for (int number = 0; number < 4; ++number) {
        double expected = eager.step(number, false);
        feed(played.x, random_tensor(played.x.shape(), 100 + static_cast<uint64_t>(number), DType::f32));
        feed(played.labels, eager.labels.to(kCpu));
        played.rate = eager.rate;
        double got = played.graph
                         .run([&]() -> std::vector<Tensor> {
                           if (as_part) return {played.loss_of(Var(played.x), played.labels)};
                           played.optimizer->zero_grad();
                           Var loss = cross_entropy(played.network.forward(Var(played.x)), played.labels);
                           backward(loss);
                           played.optimizer->step(played.rate);
                           return {loss.value()};
                         })[0]
                         .to(kCpu)
                         .item();
        // The step that plays the old rate is the third; the fourth's loss tells.
        CHECK((got == expected) == (as_part || number < 3));
      }
    }
  });
}

TEST_CASE("step graph: what cannot be recorded is named, and nothing is left half done") {
  on_every_accelerator([](Device device) {
    Tensor a = Tensor::full({4}, 1, DType::f32, device), here = Tensor::zeros({4});
    StepGraph graph(device);
    auto add_then = [&](std::function<void(const Tensor&)> then) {
      return [&, then]() -> std::vector<Tensor> {
        Tensor sum = a.empty_like();
        kernels::add(a, a, sum);
        then(sum);
        return {sum};
      };
    };
    graph.run(add_then([](const Tensor&) {}));
    check_throws<DeviceError>(
        [&] { graph.run(add_then([](const Tensor& t) { t.to(kCpu); })); },
        {"step graph", "16 bytes to the CPU", "after kernel add", "read it afterwards"});
    check_throws<DeviceError>([&] { graph.run(add_then([&](const Tensor&) { here.to(device); })); },
                              {"16 bytes from the CPU", "after kernel add", "feed()"});
    check_throws<DeviceError>([&] { graph.run(add_then([&](const Tensor&) { synchronize(device); })); },
                              {"waiting for the device", "after kernel add"});
    check_throws<DeviceError>(
        [&] { graph.run(add_then([&](const Tensor& t) { every_step("copier", [=] { t.clone(); }); })); },
        {"tensor to tensor", "in copier", "out of every_step"});
    check_throws<Error>(
        [&] {
          graph.run(add_then([&](const Tensor&) {
            StepGraph inner(device);
            for (int i = 0; i < 2; ++i) inner.run(add_then([](const Tensor&) {}));
          }));
        },
        {"within another"});
    CHECK_FALSE(graph.recorded());
    CHECK(graph.run(add_then([](const Tensor&) {}))[0].to(kCpu).data<float>()[3] == 2);
    CHECK(graph.recorded());
    a.fill(5);
    CHECK(graph.run({})[0].to(kCpu).data<float>()[3] == 10);  // the step itself is no longer called
  });
}

TEST_CASE("step graph: a part that does other work than it was recorded with is refused by name") {
  on_every_accelerator([](Device device) {
    Tensor a = Tensor::full({4}, 1, DType::f32, device), b = Tensor::full({4}, 2, DType::f32, device);
    enum class Does { same, more, less, other, allocates, smaller, reads } now = Does::same;
    StepGraph graph(device);
    auto step = [&]() -> std::vector<Tensor> {
      Tensor sum = a.empty_like();
      every_step("half", [&, a, b, sum] {
        Tensor scratch = Tensor::empty({now == Does::smaller ? 2 : 300}, DType::f32, device);
        if (now == Does::other) return kernels::multiply_scalar(a, b.slice(0, 0, 1), sum);
        if (now != Does::less) kernels::add(a, b, sum);
        if (now == Does::more) kernels::add(a, b, sum);
        if (now == Does::allocates) Tensor::empty({1}, DType::f32, device);
        if (now == Does::reads) a.to(kCpu);
      });
      return {sum};
    };
    for (int i = 0; i < 3; ++i) CHECK(graph.run(step)[0].to(kCpu).data<float>()[0] == 3);
    auto refused = [&](Does what, const std::vector<std::string>& parts) {
      now = what;
      check_throws<DeviceError>([&] { graph.run(step); }, parts);
      now = Does::same;
      CHECK(graph.run(step)[0].to(kCpu).data<float>()[0] == 3);
    };
    refused(Does::more, {"half starts kernel add, one more"});
    refused(Does::less, {"half started 0 kernels", "it started 1"});
    refused(Does::other, {"half starts kernel multiply_scalar where it started add"});
    refused(Does::allocates, {"half allocates 64 bytes (rounded up)", "allocated 1 times"});
    refused(Does::smaller, {"half allocates 64 bytes (rounded up)", "1216"});
    refused(Does::reads, {"16 bytes to the CPU in half"});
  });
}

TEST_CASE("step graph: its memory goes back with it, and its results outlive it") {
  on_every_accelerator([](Device device) {
    int64_t before = memory_use(device).current;
    Tensor kept;
    {
      Training training(device, Kind::adamw);
      for (int number = 0; number < 3; ++number) training.step(number, true);
      kept = training.graph.run({})[0];
      CHECK(memory_use(device).current > before);
    }
    CHECK(std::isfinite(kept.to(kCpu).item()));
    kept = {};
    CHECK(memory_use(device).current == before);
  });
}

TEST_CASE("step graph: an optimizer's state must be there before a step is recorded") {
  on_every_accelerator([](Device device) {
    Training training(device, Kind::adamw);
    StepGraph graph(device);
    training.rate = 0.1;
    auto nothing_yet = [&]() -> std::vector<Tensor> { return {}; };
    graph.run(nothing_yet);
    feed(training.x, random_tensor(training.x.shape(), 1, DType::f32));
    training.labels.fill(1);
    check_throws<Error>(
        [&] {
          graph.run(
              [&]() -> std::vector<Tensor> { return {training.loss_of(Var(training.x), training.labels)}; });
        },
        {"first gradient", "all.0"});
  });
}
