// Whole training steps and classification on random pictures that are on the device already: forward, loss,
// backward and the optimizer. bench/train_vs_pytorch.py measures the same in PyTorch.
#include <chrono>
#include <cmath>

#include "autograd/ops.h"
#include "bench/cuda/session.h"
#include "core/accelerator.h"
#include "core/error.h"
#include "core/step_graph.h"
#include "nn/models/registry.h"
#include "nn/optim/optimizer.h"
#include "transfer/compute.h"

namespace graft::bench {
namespace {

struct TrainCase {
  const char* row;
  const char* model;
  int64_t batch;
  DType precision;
  bool recorded = false;  // the step's launches are played as one CUDA graph (core/step_graph.h)
};

struct Photos {
  Tensor images, labels;
  Photos(int64_t batch, int64_t size, DType precision)
      : images(normal({batch, size, size, 3}, precision, 1)), labels(Tensor::empty({batch}, DType::i64)) {
    for (int64_t i = 0; i < batch; ++i) labels.data<int64_t>()[i] = i % 10;
    labels = labels.to(kDevice);
  }
};

// The device's time for each of `steps` runs, one after another: the median.
nlohmann::json timed(int64_t batch, int steps, const std::function<void()>& step) {
  for (int i = 0; i < std::min(steps, 3); ++i) step();  // memory is fetched, kernels are loaded
  DeviceClock clock;
  synchronize(kDevice);
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < steps; ++i) {
    clock.start();
    step();
    clock.stop();
  }
  Timing timing = timing_of(clock.seconds());
  double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / steps;
  return {{"repeats", steps},
          {"graft", {{"seconds", timing.median}, {"spread", timing.spread}, {"wall_seconds", wall}}},
          {"pictures_per_second", static_cast<double>(batch) / wall}};
}

nlohmann::json train(const Session& session, const TrainCase& c) {
  auto network = nn::make_classifier(c.model, 1000);
  transfer::place(*network, {kDevice, c.precision});
  network->train();
  Photos photos(c.batch, session.dry() ? 8 : 224, c.precision);
  nn::ParameterGroup group{.name = "all", .parameters = {}, .weight_decay = 1e-4};
  for (const nn::NamedTensor& t : nn::named_parameters(*network))
    group.parameters.push_back(t.parameter->var);
  nn::Sgd optimizer({group}, {.momentum = 0.9});
  auto step = [&]() -> std::vector<Tensor> {
    optimizer.zero_grad();
    Var logits = network->forward(Var(photos.images));
    if (logits.value().dtype() != DType::f32) logits = cast(logits, DType::f32);
    Var loss = cross_entropy(logits, photos.labels);
    backward(loss);
    every_step("optimizer", [apply = optimizer.prepared()] { apply(1e-3); });
    return {loss.value()};
  };
  StepGraph graph(kDevice);
  Tensor loss;
  nlohmann::json row = timed(c.batch, session.dry() ? (c.recorded ? 3 : 1) : 20,
                             [&] { loss = (c.recorded ? graph.run(step) : step())[0]; });
  double last = loss.to(kCpu).item();
  GRAFT_CHECK(std::isfinite(last), c.model, ": the loss is ", last);
  GRAFT_CHECK(!c.recorded || graph.recorded(), c.model, ": the step was not recorded");
  row["loss"] = last;
  return row;
}

nlohmann::json classify(const Session& session, const TrainCase& c) {
  auto network = nn::make_classifier(c.model, 1000);
  transfer::place(*network, {kDevice, c.precision});
  network->eval();
  NoGrad no_grad;
  Photos photos(c.batch, session.dry() ? 8 : 224, c.precision);
  Var logits;
  nlohmann::json row =
      timed(c.batch, session.dry() ? 1 : 30, [&] { logits = network->forward(Var(photos.images)); });
  GRAFT_CHECK(std::isfinite(relative_difference(logits.value(), logits.value())), c.model,
              ": logits are not finite");
  return row;
}

}  // namespace

void train_cases(Session& session) {
  for (TrainCase c : {TrainCase{"E1", "resnet50", 256, DType::bf16},
                      {"E1", "resnet50", 256, DType::bf16, true},
                      {"E1", "resnet50", 64, DType::bf16},
                      {"E1", "resnet50", 64, DType::bf16, true},
                      {"E1", "resnet50", 64, DType::f32},
                      {"E3", "mobilenet_v2", 128, DType::bf16}}) {
    CaseName name{c.row, "train", str("train ", c.model, ", batch ", c.batch, c.recorded ? ", recorded" : ""),
                  c.precision};
    if (session.dry()) c = {c.row, "cifar_resnet20", 2, c.precision, c.recorded};
    session.run_whole(name, [&] { return train(session, c); });
  }
  for (TrainCase c : {TrainCase{"E2", "resnet50", 256, DType::bf16},
                      {"E2", "resnet50", 1, DType::bf16},
                      {"E2", "resnet50", 64, DType::f32}}) {
    CaseName name{c.row, "train", str("classify ", c.model, ", batch ", c.batch), c.precision};
    if (session.dry()) c = {c.row, "cifar_resnet20", c.batch == 1 ? 1 : 2, c.precision};
    session.run_whole(name, [&] { return classify(session, c); });
  }
}

}  // namespace graft::bench
