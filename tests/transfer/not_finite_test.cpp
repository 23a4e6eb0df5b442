// Numbers that break, at each layer on the way forward and back: the training ends with that step and says
// where, and what was saved before goes on.
#include "transfer/not_finite.h"

#include <limits>

#include "core/error.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/strategy.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

enum class Way { forward, back };

// Hung into a layer, it breaks one number while it is switched on.
class Fault : public nn::Adapter {
 public:
  Fault(Way way, double value, const bool& on) : way_(way), value_(value), on_(on) {}
  void parts(nn::Parts&) override {}
  Var adapt(const Var&, const Var& y) override {
    if (!on_) return y;
    auto broken = [value = value_](const Tensor& t) {
      Tensor out = t.clone();
      out.span<float>()[static_cast<size_t>(out.numel() / 2)] = static_cast<float>(value);
      return out;
    };
    if (way_ == Way::forward)
      return record("fault", broken(y.value()), {y}, [](const Tensor& dy) { return Grads{dy}; });
    return record("fault", y.value(), {y}, [broken](const Tensor& dy) { return Grads{broken(dy)}; });
  }

 private:
  Way way_;
  double value_;
  const bool& on_;
};

// The layers that can carry one, by name.
std::vector<std::string> layers_of(nn::Module& network) {
  std::vector<std::string> out;
  nn::for_each_layer<nn::Conv2d>(network, [&](const std::string& name, nn::Conv2d&) { out.push_back(name); });
  nn::for_each_layer<nn::Linear>(network, [&](const std::string& name, nn::Linear&) { out.push_back(name); });
  return out;
}
void hang(nn::Module& network, const std::string& layer, Way way, double value, const bool& on) {
  auto add = [&](const std::string& name, auto& found) {
    if (name == layer) found.adapter = std::make_unique<Fault>(way, value, on);
  };
  nn::for_each_layer<nn::Conv2d>(network, add);
  nn::for_each_layer<nn::Linear>(network, add);
}

RetrainOptions options_of(Checkpoints* checkpoints, bool go_on) {
  RetrainOptions options = quick_options("scratch");
  options.preprocess.crop = 4;
  options.recipe.batch = 4;
  options.recipe.epochs = 2;
  options.hooks.checkpoints = checkpoints;
  options.hooks.go_on = go_on;
  return options;
}

std::string weights_after(const RunResult& result) {
  return result.receipt.at("weights_after_sha256");
}

}  // namespace

TEST_CASE(
    "training: NaN and infinity at each layer, forward and back, end it within the step and are named") {
  PictureSet train = drawn_pictures(2, 8, 4, 1), test = drawn_pictures(2, 1, 4, 2);
  auto whole = small_network(2);
  std::string expected = weights_after(retrain(*whole, train, test, options_of(nullptr, false)));
  std::vector<std::string> layers = layers_of(*whole);
  REQUIRE(layers.size() == 6);
  for (const std::string& layer : layers) {
    for (Way way : {Way::forward, Way::back}) {
      for (double value :
           {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        INFO(layer << (way == Way::forward ? ", forward, " : ", back, ") << value);
        TempDir dir;
        bool on = false;
        {
          auto network = small_network(2);
          hang(*network, layer, way, value, on);
          Checkpoints checkpoints(dir.path(), 1);
          RetrainOptions options = options_of(&checkpoints, false);
          options.hooks.after_step = [&](int64_t step) { on = step == 5; };
          std::string place = way == Way::forward ? "the output of " + layer + " is the first"
                                                  : "breaks on its way back through " + layer;
          check_throws<Error>([&] { retrain(*network, train, test, options); }, {"epoch 2, step 6", place});
        }
        auto network = small_network(2);
        Checkpoints checkpoints(dir.path(), 1);
        RunResult rest = retrain(*network, train, test, options_of(&checkpoints, true));
        CHECK(rest.resumed_at == 5);
        CHECK(weights_after(rest) == expected);
      }
    }
  }
}

TEST_CASE("training: a parameter that breaks in a step is named, and the broken state is not saved") {
  PictureSet train = drawn_pictures(2, 8, 4, 1), test = drawn_pictures(2, 1, 4, 2);
  auto names = small_network(2);
  for (const nn::NamedTensor& broken : nn::named_parameters(*names)) {
    INFO(broken.name);
    TempDir dir;
    auto network = small_network(2);
    Checkpoints checkpoints(dir.path(), 1);
    RetrainOptions options = options_of(&checkpoints, false);
    options.hooks.after_step = [&](int64_t step) {
      if (step != 3) return;
      for (const nn::NamedTensor& t : nn::named_parameters(*network))
        if (t.name == broken.name) t.value().span<float>()[0] = std::numeric_limits<float>::infinity();
    };
    check_throws<Error>([&] { retrain(*network, train, test, options); },
                        {broken.name, "step 3", "no state is kept"});
    std::vector<std::string> notes;
    CHECK(checkpoints.newest(notes)->step == 2);
    CHECK(notes.empty());
  }
}

TEST_CASE("training: inputs that are not finite are named as such") {
  auto network = small_network(2);
  Recipe recipe = quick_options("scratch").recipe;
  recipe.augment = {};
  Plan plan = plan_of(parse_strategy("scratch"), *network, recipe, {});
  Task task;
  task.count = 4;
  task.network = network.get();
  task.inputs = [](std::span<const int64_t> which, int) {
    Tensor x = Tensor::zeros({static_cast<int64_t>(which.size()), 4, 4, 3}, DType::f32);
    x.span<float>()[5] = std::numeric_limits<float>::quiet_NaN();
    return x;
  };
  task.logits = [&](const Var& x) { return network->forward(x); };
  task.labels = [](std::span<const int64_t> which) {
    return Tensor::zeros({static_cast<int64_t>(which.size())}, DType::i64);
  };
  task.evaluate = [] { return Evaluation{}; };
  network->train();
  check_throws<Error>([&] { transfer::train(task, plan, recipe, 0); }, {"step 1", "inputs are not finite"});
}

TEST_CASE("place_not_finite: nothing where all is finite, and the place where it is not") {
  nn::ModuleList<nn::Linear> network;
  for (int i = 0; i < 3; ++i) network.emplace(2, 2).weight.var.value().fill(0.5);
  auto run = [&] {
    Var x(Tensor::zeros({1, 2}, DType::f32));
    for (auto& layer : network.items) x = layer->forward(x);
    backward(x, Tensor::zeros({1, 2}, DType::f32));
  };
  CHECK(place_not_finite(network, run) == "");
  network[1].bias.var.value().fill(std::numeric_limits<double>::infinity());
  CHECK(place_not_finite(network, run) == "; the output of 1 is the first that is not finite");
}

TEST_CASE(
    "observing: gradients of outputs are seen on the way back, the last layer's first, and change nothing") {
  auto network = small_network(2);
  Tensor x = random_tensor({2, 4, 4, 3}, 1, DType::f32);
  auto gradients = [&] {
    std::vector<Tensor> out;
    for (const nn::NamedTensor& t : nn::named_parameters(*network)) {
      out.push_back(t.parameter->var.grad().clone());
      t.parameter->var.clear_grad();
    }
    return out;
  };
  Tensor dy = random_tensor({2, 2}, 2, DType::f32);
  network->train();
  backward(network->forward(Var(x)), dy);
  std::vector<Tensor> plain = gradients();
  std::vector<std::string> order;
  {
    nn::Observing observing(
        *network, [](const std::string&, const Tensor&) {},
        [&](const std::string& name, const Tensor& gradient) {
          order.push_back(name);
          if (name == "linear") CHECK(bit_equal(gradient, dy));
        });
    backward(network->forward(Var(x)), dy);
  }
  std::vector<Tensor> seen = gradients();
  for (size_t i = 0; i < plain.size(); ++i) CHECK(bit_equal(plain[i], seen[i]));
  REQUIRE(order.size() >= 7);
  CHECK(order[0] == "");  // the network itself
  CHECK(order[1] == "linear");
  CHECK(order.back() == "conv1");
}
