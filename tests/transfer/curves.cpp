#include "tests/transfer/curves.h"

#include <fstream>

#include "tests/support.h"
#include "transfer/certificate.h"
#include "transfer/class_weights.h"
#include "transfer/score.h"
#include "transfer/strategy.h"
#include "weights/layout.h"

namespace graft::test {

using namespace transfer;

namespace {

constexpr uint64_t kSeed = 11;  // training.py's

Tensor tensor_of(const nlohmann::json& entry) {
  Shape shape;
  for (int64_t size : entry.at("shape")) shape.push_back(size);
  return Tensor::from(entry.at("values").get<std::vector<double>>(), shape);
}

}  // namespace

Curves::Curves() {
  std::ifstream in(source_dir() + "/tests/golden/training.json");
  REQUIRE_MESSAGE(in.good(), "cannot read training.json");
  file_ = nlohmann::json::parse(in);
}

std::vector<std::string> Curves::names() const {
  std::vector<std::string> out;
  for (const auto& [name, run] : file_.at("runs").items()) out.push_back(name);
  return out;
}

Curve Curves::curve(const std::string& name) const {
  const nlohmann::json& run = file_.at("runs").at(name);
  Curve out;
  for (const auto& [setting, value] : run.at("settings").items())
    set(out.recipe, setting, value.get<std::string>());
  out.strategy = parse_strategy(run.at("strategy").get<std::string>());
  check(out.recipe, out.strategy);
  out.losses = run.at("losses").get<std::vector<double>>();
  out.test_losses = run.at("test_losses").get<std::vector<double>>();
  out.order_sha256 = run.at("order_sha256").get<std::string>();
  out.head = tensor_of(run.at("head"));
  return out;
}

std::unique_ptr<nn::CifarResNet> Curves::network(DType dtype) const {
  const nlohmann::json& start = file_.at("start");
  auto classes = start.at("linear.weight").at("shape").at(0).get<int64_t>();
  auto network = std::make_unique<nn::CifarResNet>(nn::CifarResNetConfig{{4, 8}, {1, 1}}, classes, 0, dtype);
  for (const nn::NamedTensor& t : nn::named_tensors(*network)) {
    REQUIRE_MESSAGE(start.contains(t.name), "training.json has no " << t.name);
    t.value().copy_from(weights::to_engine(tensor_of(start.at(t.name)), t.published).to(t.value().dtype()));
  }
  return network;
}

Labelled Curves::labelled(int64_t classes) const {
  Labelled out;
  out.labels = file_.at("labels").at("values").get<std::vector<int64_t>>();
  out.files.resize(out.labels.size());
  out.classes.resize(static_cast<size_t>(classes));
  return out;
}

Task Curves::task_of(nn::CifarResNet& network, const Recipe& recipe, Device device, const Tensor& pictures,
                     const Labelled& labelled) const {
  Task task;
  task.count = pictures.dim(0);
  task.device = device;
  task.class_weights = class_weights_of(recipe, labelled, network.dtype(), device);
  task.inputs = [&](std::span<const int64_t> which, int) { return gather_rows(pictures, which); };
  task.logits = [&](const Var& x) { return network.forward(x); };
  task.labels = [&](std::span<const int64_t> which) { return labels(labelled, which); };
  task.evaluate = [&] {
    NoGrad no_grad;
    EvaluationMode mode(network);
    return evaluation_of(network.forward(network.taken(pictures)).value().to(kCpu), labelled);
  };
  task.network = &network;
  return task;
}

Curves::Result Curves::train(const Curve& curve, DType dtype, Device device,
                             const std::function<void(Task&)>& adjust) const {
  auto network = this->network(dtype);
  network->compute_on(device, dtype);
  Tensor pictures = tensor_of(file_.at("pictures")).to(dtype);
  Labelled samples = labelled(network->classes());
  Task task = task_of(*network, curve.recipe, device, pictures, samples);
  if (adjust) adjust(task);
  Plan the_plan = plan_of(curve.strategy, *network, curve.recipe);
  network->train();
  Trained trained = transfer::train(task, the_plan, curve.recipe, kSeed);
  return {trained, network->linear.weight.var.value().to(kCpu)};
}

Curves::Finder Curves::find_rate(DType dtype) const {
  const nlohmann::json& run = file_.at("rate_finder");
  Recipe recipe;
  for (const auto& [setting, value] : run.at("settings").items())
    set(recipe, setting, value.get<std::string>());
  auto network = this->network(dtype);
  Tensor pictures = tensor_of(file_.at("pictures")).to(dtype);
  Labelled samples = labelled(network->classes());
  Task task = task_of(*network, recipe, kCpu, pictures, samples);
  Plan the_plan = plan_of(parse_strategy("scratch"), *network, recipe);
  std::string before = weights_sha256(*network);
  network->train();
  Finder out;
  out.losses = run.at("losses").get<std::vector<double>>();
  out.found = transfer::find_rate(task, the_plan, recipe, kSeed,
                                  {.lowest = run.at("lowest").get<double>(),
                                   .highest = run.at("highest").get<double>(),
                                   .steps = run.at("steps").get<int>()});
  out.put_back = weights_sha256(*network) == before;
  return out;
}

}  // namespace graft::test
