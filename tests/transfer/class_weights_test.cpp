#include "transfer/class_weights.h"

#include <algorithm>
#include <cmath>

#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/head.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

Recipe weighted() {
  Recipe recipe;
  recipe.class_weights = ClassWeights::automatic;
  return recipe;
}

Labelled labelled(std::vector<std::string> classes, std::vector<int64_t> labels) {
  Labelled out;
  out.classes = std::move(classes);
  out.files.resize(labels.size());
  out.labels = std::move(labels);
  return out;
}

// Seven samples of the first class for one of the second, on overlapping features.
HeadData lopsided(int64_t width) {
  HeadData data;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 64; ++i) labels.push_back(i % 8 == 0);
  data.train.samples = labelled({"many", "few"}, labels);
  Tensor x = random_tensor({64, width}, 1, DType::f32);
  for (int64_t i = 0; i < 64; ++i) x.data<float>()[i * width] += static_cast<float>(labels[i]);
  data.train.features.views = {x};
  data.test = data.train;
  return data;
}

// Of each class k, sum over the samples of weight(y) (p_k - [y = k]): a solution's bias has no gradient.
std::vector<double> bias_gradient(nn::Headed& network, const HeadData& data, const Tensor& weights) {
  Tensor logits = network.head(Var(data.train.features.views[0])).value().to(DType::f64);
  std::vector<double> out(2, 0);
  for (int64_t i = 0; i < logits.dim(0); ++i) {
    int64_t truth = data.train.samples.labels[static_cast<size_t>(i)];
    const double* row = logits.data<double>() + 2 * i;
    double p = 1 / (1 + std::exp(row[0] - row[1])), w = weights.span<double>()[static_cast<size_t>(truth)];
    out[0] += w * (1 - p - (truth == 0 ? 1 : 0));
    out[1] += w * (p - (truth == 1 ? 1 : 0));
  }
  return out;
}

}  // namespace

TEST_CASE("class weights: n / (classes n_c), and what the run says of them") {
  Labelled set = labelled({"a", "b", "c"}, {0, 0, 0, 1, 2, 2});
  Tensor weights = class_weights_of(weighted(), set);
  CHECK(weights.dtype() == DType::f64);
  auto values = weights.span<double>();
  CHECK(std::vector<double>(values.begin(), values.end()) == std::vector<double>{6.0 / 9, 2, 1});
  CHECK(describe_class_weights(weights, set) == "class weights: a 0.667, b 2.000, c 1.000");
  CHECK_FALSE(class_weights_of({}, set).defined());
  CHECK(class_weights_of(weighted(), set, DType::f32).dtype() == DType::f32);
  // Nobody has seen c.
  CHECK(class_weights_of(weighted(), labelled({"a", "b", "c"}, {0, 1})).span<double>()[2] == 0);

  Labelled many;
  for (int64_t c = 0; c < 20; ++c) {
    many.classes.push_back(str("k", c));
    for (int64_t i = 0; i <= c; ++i) many.labels.push_back(c);
  }
  CHECK(describe_class_weights(class_weights_of(weighted(), many), many) ==
        "class weights: from k19 0.525 to k0 10.500");
}

TEST_CASE("class weights: lbfgs and steps solve the weighted problem") {
  HeadData data = lopsided(16);
  Tensor ones = Tensor::full({2}, 1, DType::f64), weights = class_weights_of(weighted(), data.train.samples);
  for (bool uses : {false, true}) {
    auto network = small_network(2);
    Recipe recipe = uses ? weighted() : Recipe{};
    recipe.optimizer = Optimizer::lbfgs;
    recipe.epochs = 60;
    train_head(*network, data, recipe, 1);
    auto right = bias_gradient(*network, data, uses ? weights : ones);
    auto wrong = bias_gradient(*network, data, uses ? ones : weights);
    CHECK(std::abs(right[0]) <= 1e-4);
    CHECK(std::abs(right[1]) <= 1e-4);
    CHECK(std::abs(wrong[0]) >= 1);

    // Full batches without momentum creep to the same solution.
    network = small_network(2);
    recipe.optimizer = Optimizer::sgd;
    recipe.batch = 64, recipe.epochs = 2000;
    recipe.learning_rate = 1, recipe.warmup_epochs = 0, recipe.momentum = 0.5;
    train_head(*network, data, recipe, 1);
    CHECK(std::abs(bias_gradient(*network, data, uses ? weights : ones)[0]) <= 0.05);
  }
}

TEST_CASE("class weights: every strategy says them, and a rare class is found more often") {
  PictureSet train = drawn_pictures(2, 16, 8, 1), test = drawn_pictures(2, 16, 8, 2);
  train.files.resize(18), train.labels.resize(18),
      train.pixels.resize(18);  // 16 of the first kind, 2 of the second
  for (const char* strategy : {"head", "partial:1", "full", "scratch"}) {
    INFO(strategy);
    int64_t found[2];
    for (bool uses : {false, true}) {
      auto network = small_network(2, 7);
      RetrainOptions options = quick_options(strategy);
      options.recipe.class_weights = uses ? ClassWeights::automatic : ClassWeights::none;
      RunResult result = retrain(*network, train, test, options);
      auto says = [](const std::string& note) { return note == "class weights: kind0 0.562, kind1 4.500"; };
      CHECK(std::any_of(result.notes.begin(), result.notes.end(), says) == uses);
      found[uses] = 0;
      for (const auto& row : result.test.confusion) found[uses] += row[1];
    }
    CHECK(found[1] > found[0]);
  }
}
