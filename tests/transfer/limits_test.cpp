// Settings and sets at their limits: each is refused before the first step with what is wrong, or has a
// meaning.
#include <cmath>
#include <limits>

#include "core/error.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

// Refused before a step is taken.
template <class E>
void check_refused(const PictureSet& train, const RetrainOptions& options,
                   const std::vector<std::string>& parts) {
  auto network = small_network(2);
  RetrainOptions watched = options;
  int64_t steps = 0;
  watched.hooks.after_step = [&](int64_t) { ++steps; };
  check_throws<E>([&] { retrain(*network, train, drawn_pictures(2, 2, 8, 2), watched); }, parts);
  CHECK(steps == 0);
}

}  // namespace

TEST_CASE("limits: settings out of range are refused by name before the first step") {
  PictureSet train = drawn_pictures(2, 4, 8, 1);
  struct Wrong {
    const char *name, *value;
  };
  for (const Wrong& wrong : {Wrong{"learning_rate", "-1"},
                             {"batch", "0"},
                             {"batch", "-3"},
                             {"epochs", "0"},
                             {"epochs", "-1"},
                             {"weight_decay", "-0.1"},
                             {"accumulate", "0"}}) {
    INFO(std::string(wrong.name) << "=" << std::string(wrong.value));
    RetrainOptions options = quick_options("scratch");
    set(options.recipe, wrong.name, wrong.value);
    check_refused<UsageError>(train, options, {wrong.name, wrong.value, "must be"});
  }
  Recipe recipe;
  for (const Wrong& wrong : {Wrong{"learning_rate", "nan"},
                             {"learning_rate", "inf"},
                             {"batch", "2147483648"},
                             {"epochs", "1e3"},
                             {"batch", "99999999999999999999"}}) {
    INFO(std::string(wrong.name) << "=" << std::string(wrong.value));
    check_throws<UsageError>([&] { set(recipe, wrong.name, wrong.value); }, {wrong.name, wrong.value});
  }
  for (double rate : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    RetrainOptions options = quick_options("scratch");
    options.recipe.learning_rate = rate;
    check_refused<UsageError>(train, options, {"learning_rate"});
  }
}

TEST_CASE("limits: a learning rate of 0 moves nothing") {
  PictureSet train = drawn_pictures(2, 4, 8, 1), test = drawn_pictures(2, 2, 8, 2);
  auto network = small_network(2);
  Tensor before = network->conv1.weight.var.value().clone();
  RetrainOptions options = quick_options("scratch");
  options.recipe.learning_rate = 0;
  retrain(*network, train, test, options);
  CHECK(bit_equal(before, network->conv1.weight.var.value()));
}

TEST_CASE("limits: a batch larger than the set is the set, and batch norm gets no batch of one") {
  PictureSet test = drawn_pictures(2, 2, 8, 2);
  for (int64_t each : {1, 2, 3}) {
    PictureSet train = drawn_pictures(2, each, 8, 1);
    auto large = small_network(2), exact = small_network(2);
    RetrainOptions options = quick_options("scratch");
    options.recipe.freeze_bn = false;
    options.recipe.batch = 2147483647;
    RunResult result = retrain(*large, train, test, options);
    CHECK(result.step_losses.size() == 3);
    options.recipe.batch = static_cast<int>(2 * each);
    CHECK(retrain(*exact, train, test, options).step_losses == result.step_losses);
  }
  // Five pictures in batches of four: the fifth comes along with the last ones.
  PictureSet five = drawn_pictures(2, 3, 8, 1);
  five.files.pop_back(), five.labels.pop_back(), five.pixels.pop_back();
  auto network = small_network(2);
  RetrainOptions options = quick_options("scratch");
  options.recipe.freeze_bn = false;
  options.recipe.batch = 4;
  RunResult result = retrain(*network, five, test, options);
  CHECK(result.step_losses.size() == 3);
  for (double loss : result.step_losses) CHECK(std::isfinite(loss));
}

TEST_CASE("limits: one sample trains what it can, or the reason is told") {
  PictureSet one = drawn_pictures(2, 1, 8, 1), test = drawn_pictures(2, 2, 8, 2);
  one.files.pop_back(), one.labels.pop_back(), one.pixels.pop_back();
  for (const char* strategy : {"head", "partial:1", "full", "scratch"}) {
    INFO(std::string(strategy));
    auto network = small_network(2);
    RunResult result = retrain(*network, one, test, quick_options(strategy));
    CHECK(result.train_count == 1);
    CHECK(std::isfinite(result.test.loss));
  }
}

TEST_CASE("limits: sets of one class, and labels that are none of the classes, are refused") {
  RetrainOptions options = quick_options("full");
  check_throws<DataError>(
      [&] {
        auto network = small_network(2);
        retrain(*network, drawn_pictures(1, 4, 8, 1), drawn_pictures(1, 4, 8, 1), options);
      },
      {"one class"});
  for (int64_t label : {int64_t{-1}, int64_t{2}, int64_t{1} << 40}) {
    for (const char* strategy : {"head", "full"}) {
      INFO("label " << label << ", " << std::string(strategy));
      PictureSet train = drawn_pictures(2, 4, 8, 1);
      train.labels[3] = label;
      check_refused<DataError>(train, quick_options(strategy), {str(label), "kind0/3.png"});
    }
  }
  // All of one class, where there are two: no step is wrong, and it is learnt.
  PictureSet same = drawn_pictures(2, 4, 8, 1);
  same.labels.assign(same.labels.size(), 1);
  for (const char* strategy : {"head", "full"}) {
    auto network = small_network(2);
    CHECK(retrain(*network, same, drawn_pictures(2, 2, 8, 2), quick_options(strategy)).test.accuracy == 0.5);
  }
}
