#include "transfer/mixing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/ops.h"
#include "core/half.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/train.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

Recipe mixing(double mixup, double cutmix) {
  Recipe recipe;
  recipe.mixup = mixup, recipe.cutmix = cutmix;
  return recipe;
}

// The distribution function of Beta(alpha, alpha), by Simpson's rule on the density in t, x = sin^2 t: there
// it is smooth for alpha of 1/2 and more.
double beta_below(double x, double alpha) {
  auto density = [&](double t) { return 2 * std::pow(std::sin(t) * std::cos(t), 2 * alpha - 1); };
  auto integral = [&](double to) {
    constexpr int kSteps = 2000;
    double sum = density(0) + density(to), h = to / kSteps;
    for (int i = 1; i < kSteps; ++i) sum += (i % 2 == 1 ? 4 : 2) * density(i * h);
    return sum * h / 3;
  };
  return integral(std::asin(std::sqrt(x))) / integral(std::acos(-1.0) / 2);
}

}  // namespace

TEST_CASE("mixing: shares have the Beta distribution") {
  constexpr int kDraws = 40000;
  for (double alpha : {0.5, 1.0, 2.0, 8.0}) {
    Rng rng(3, static_cast<uint64_t>(alpha * 10));
    std::vector<double> draws;
    for (int i = 0; i < kDraws; ++i) draws.push_back(draw_share(alpha, rng));
    std::sort(draws.begin(), draws.end());
    // Kolmogorov and Smirnov's distance: above 1.95 / sqrt(n) once in a thousand samples.
    double distance = 0;
    for (int i = 0; i < kDraws; i += 20)
      distance = std::max(distance, std::abs(beta_below(draws[static_cast<size_t>(i)], alpha) -
                                             static_cast<double>(i) / kDraws));
    CHECK_MESSAGE(distance <= 1.95 / std::sqrt(kDraws), "alpha " << alpha);
  }
  // Where the density has poles: mean 1/2, variance 1 / (4 (2 alpha + 1)).
  for (double alpha : {1e-6, 0.01, 0.1, 0.2, 0.4, 100.0}) {
    Rng rng(4, static_cast<uint64_t>(alpha * 1e6));
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      double share = draw_share(alpha, rng);
      REQUIRE((share >= 0 && share <= 1 && share * 0x1p20 == std::floor(share * 0x1p20)));
      sum += share, squares += (share - 0.5) * (share - 0.5);
    }
    double variance = 1 / (4 * (2 * alpha + 1));
    CHECK(std::abs(sum / kDraws - 0.5) <= 4 * std::sqrt(variance / kDraws));
    CHECK(std::abs(squares / kDraws - variance) <= 0.02 * variance);
  }
  Rng rng(1);
  check_throws<Error>([&] { draw_share(0, rng); }, {"mixing", "alpha 0"});
}

TEST_CASE("mixing: partners, coin and boxes") {
  constexpr int64_t kHeight = 20, kWidth = 30;
  constexpr int kDraws = 4000;
  int cut = 0;
  double taken = 0, expected = 0;
  std::vector<int> first_partner(5, 0);
  for (int i = 0; i < kDraws; ++i) {
    Rng rng(7, static_cast<uint64_t>(i));
    Mix mix = draw_mix(mixing(0.3, 1), 5, kHeight, kWidth, rng);
    std::vector<int64_t> sorted = mix.partners;
    std::sort(sorted.begin(), sorted.end());
    REQUIRE(sorted == std::vector<int64_t>{0, 1, 2, 3, 4});
    ++first_partner[static_cast<size_t>(mix.partners[0])];
    if (mix.kind == Mix::Kind::mixup) continue;
    ++cut;
    const data::Box& b = mix.box;
    REQUIRE((b.left >= 0 && b.top >= 0 && b.width >= 0 && b.height >= 0));
    REQUIRE((b.left + b.width <= kWidth && b.top + b.height <= kHeight));
    double area = static_cast<double>(b.width * b.height) / (kHeight * kWidth);
    CHECK(mix.share == 1 - area);
    taken += area;
  }
  CHECK(std::abs(cut - kDraws / 2) <= 4 * std::sqrt(kDraws / 4.0));  // a fair coin
  for (int count : first_partner) CHECK(std::abs(count - kDraws / 5) <= 4 * std::sqrt(kDraws * 0.16));
  // With alpha 1 the box's sides are sqrt(u) of the picture's; a centre anywhere leaves of a side s in the
  // mean s - s^2 / 4. The mean of their product over u in [0, 1] is 1/2 - 2/4 * 2/5 + 1/16 * 1/3.
  expected = 1.0 / 2 - 0.5 * 0.4 + 1.0 / 48;
  CHECK(std::abs(taken / cut - expected) <= 0.03);

  // One of the two alone, always.
  for (uint64_t i = 0; i < 50; ++i) {
    Rng rng(8, i);
    CHECK(draw_mix(mixing(0.3, 0), 2, 4, 4, rng).kind == Mix::Kind::mixup);
    CHECK(draw_mix(mixing(0, 0.3), 2, 4, 4, rng).kind == Mix::Kind::cutmix);
  }
  Rng rng(9);
  CHECK(draw_mix(mixing(0, 1), 1, 1, 1, rng).partners == std::vector<int64_t>{0});
}

TEST_CASE("mixing: pixels") {
  Tensor x = random_tensor({3, 4, 5, 2}, 1, DType::f32);
  Mix mix{.kind = Mix::Kind::mixup, .partners = {2, 0, 1}, .share = 0.75};
  Tensor y = mixed_inputs(x, mix);
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t k = 0; k < 40; ++k) {
      float own = x.data<float>()[40 * i + k];
      float other = x.data<float>()[40 * mix.partners[static_cast<size_t>(i)] + k];
      CHECK(y.data<float>()[40 * i + k] == 0.75f * own + 0.25f * other);
    }
  }
  mix.kind = Mix::Kind::cutmix;
  mix.box = {1, 2, 3, 1};
  y = mixed_inputs(x, mix);
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t row = 0; row < 4; ++row) {
      for (int64_t k = 0; k < 10; ++k) {
        bool inside = row == 2 && k / 2 >= 1 && k / 2 < 4;
        int64_t from = inside ? mix.partners[static_cast<size_t>(i)] : i;
        CHECK(y.data<float>()[40 * i + 10 * row + k] == x.data<float>()[40 * from + 10 * row + k]);
      }
    }
  }
  mix.box = {};
  CHECK(bit_equal(mixed_inputs(x, mix), x));
  // In bf16 computed in float and rounded once.
  mix.kind = Mix::Kind::mixup;
  Tensor half = x.to(DType::bf16);
  CHECK(bit_equal(mixed_inputs(half, mix), mixed_inputs(half.to(DType::f32), mix).to(DType::bf16)));
  check_same_for_any_threads([&] { return std::vector{mixed_inputs(x, mix)}; });
  check_throws<Error>([&] { mixed_inputs(Tensor::zeros({2, 4, 5, 2}), mix); }, {"mixing", "3 pictures"});
  check_throws<Error>([&] { mixed_inputs(Tensor::zeros({3, 4}), mix); }, {"mixing", "[N, H, W, C]"});
}

TEST_CASE("mixing: a batch is a function of seed, epoch and its first sample") {
  Tensor x = random_tensor({4, 6, 6, 3}, 1, DType::f32);
  Tensor labels = Tensor::from(std::vector<int64_t>{0, 1, 2, 3}, {4});
  auto batch = [&](uint64_t seed, int epoch, int64_t first) {
    return mixed_batch(x, labels, mixing(1, 0), seed, epoch, first);
  };
  MixedBatch one = batch(1, 1, 9), same = batch(1, 1, 9);
  CHECK(bit_equal(one.inputs, same.inputs));
  CHECK(bit_equal(one.targets.partners, same.targets.partners));
  CHECK(bit_equal(one.targets.labels, labels));
  for (const MixedBatch& other : {batch(2, 1, 9), batch(1, 2, 9), batch(1, 1, 8)}) {
    CHECK_FALSE(bit_equal(one.inputs, other.inputs));
    CHECK_FALSE(bit_equal(one.targets.share, other.targets.share));
  }
  CHECK(one.targets.share.item() + one.targets.rest.item() == 1);
  MixedBatch plain = mixed_batch(x, labels, {}, 1, 1, 9);
  CHECK(bit_equal(plain.inputs, x));
  CHECK_FALSE(plain.targets.partners.defined());
  CHECK(bit_equal(plain.targets.main_labels(), labels));

  // The larger share is what the training's accuracy counts.
  Targets targets(labels);
  targets.partners = Tensor::from(std::vector<int64_t>{3, 2, 1, 0}, {4});
  targets.share = Tensor::full({}, 0.25), targets.rest = Tensor::full({}, 0.75);
  CHECK(bit_equal(targets.main_labels(), targets.partners));
  targets.share.fill(0.5);
  CHECK(bit_equal(targets.main_labels(), labels));
}

TEST_CASE("mixing: the loss of each share, on every device") {
  Tensor labels = Tensor::from(std::vector<int64_t>{0, 1, 2}, {3});
  Tensor logits = random_tensor({3, 4}, 2, DType::f32);
  on_every_device([&](Device device) {
    Task task;
    task.device = device;
    Recipe recipe;
    recipe.label_smoothing = 0.1;
    BatchLoss loss(task, recipe);
    Targets targets(labels);
    targets.partners = Tensor::from(std::vector<int64_t>{3, 0, 0}, {3});
    for (float share : {0.0f, 0.25f, 1.0f}) {  // fed anew, as for each batch
      targets.share = Tensor::full({}, static_cast<double>(share));
      targets.rest = Tensor::full({}, 1 - static_cast<double>(share));
      loss.feed(targets);
      double own = cross_entropy(Var(logits), labels, {0.1}).value().item();
      double other = cross_entropy(Var(logits), targets.partners, {0.1}).value().item();
      double expected = static_cast<double>(share) * own + (1 - static_cast<double>(share)) * other;
      CHECK(loss.of(Var(logits.to(device))).value().to(kCpu).item() ==
            doctest::Approx(expected).epsilon(1e-6));
    }
  });
}

TEST_CASE("mixing: on an accelerator in bf16 the run is that of the CPU, but for rounding") {
  PictureSet train = drawn_pictures(2, 8, 8, 1), test = drawn_pictures(2, 2, 8, 2);
  train.files.pop_back(), train.labels.pop_back(), train.pixels.pop_back();  // unequal classes
  RetrainOptions options = quick_options("full");
  options.recipe.mixup = 0.5, options.recipe.cutmix = 1;
  options.recipe.class_weights = ClassWeights::automatic;
  options.recipe.epochs = 4;
  std::vector<double> expected = retrain(*small_network(2), train, test, options).step_losses;
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    options.compute = {.device = device, .precision = DType::bf16};
    std::vector<double> losses = retrain(*small_network(2), train, test, options).step_losses;
    REQUIRE(losses.size() == expected.size());
    for (size_t i = 0; i < losses.size(); ++i) CHECK(std::abs(losses[i] - expected[i]) <= 0.03);
  }
}

TEST_CASE("mixing: retrain learns from mixtures, and refuses where there is nothing to mix") {
  PictureSet train = drawn_pictures(3, 12, 8, 1), test = drawn_pictures(3, 8, 8, 2);
  RetrainOptions options = quick_options("full");
  options.recipe.mixup = 0.2, options.recipe.cutmix = 1;
  options.recipe.epochs = 10, options.recipe.learning_rate = 0.05, options.recipe.body_lr_scale = 1;
  auto network = small_network(3);
  RunResult result = retrain(*network, train, test, options);
  CHECK(result.test.accuracy >= 0.6);

  Strategy head = parse_strategy("head"), full = parse_strategy("full");
  for (auto [name, recipe] : {std::pair{"mixup", mixing(0.2, 0)}, {"cutmix", mixing(0, 1)}}) {
    CHECK_NOTHROW(check(recipe, full));
    check_throws<UsageError>([&] { check(recipe, head); },
                             {name, "cached features", "cached_features=false"});
    check_throws<UsageError>([&] { check(recipe, full, Samples::texts); }, {name, "only pictures"});
    check_throws<UsageError>([&] { check(recipe, full, Samples::tokens); }, {name, "only pictures"});
    recipe.cached_features = false;
    CHECK_NOTHROW(check(recipe, head));
  }
  check_throws<UsageError>([&] { check(mixing(-0.1, 0), full); }, {"mixup", "-0.1", "0 or more"});
}
