#include "transfer/memory_plan.h"

#include <cmath>

#include "core/free_memory.h"
#include "core/parallel.h"
#include "nn/models/registry.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "tests/transfer/text_shop.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

// What kernels take for themselves on several threads depends on which of them happen to work at once: little
// beside a real network, much beside these. With one thread it is the same in every run.
struct OneThread {
  int before = threads();
  OneThread() { set_threads(1); }
  ~OneThread() { set_threads(before); }
};

void check_close(const MemoryPlan& plan, const std::string& name) {
  REQUIRE_MESSAGE(plan.known(), name);
  double off = static_cast<double>(plan.peak) / static_cast<double>(plan.measured) - 1;
  INFO(name, ": planned ", plan.peak, ", measured ", plan.measured, " (", 100 * off, " %), in ",
       plan.peak_is_in);
  CHECK(std::abs(off) <= 0.05);
  int64_t sum = 0;
  for (const MemoryPlan::Part& part : plan.parts) sum += part.bytes;
  CHECK(sum == plan.peak);
}

RunResult run_small(RetrainOptions options, int64_t each = 13) {
  OneThread one_thread;
  auto network = small_network(3);
  options.preprocess.crop = 16;
  options.recipe.epochs = 2;
  return retrain(*network, drawn_pictures(3, each, 16, 1), drawn_pictures(3, 2, 16, 2), options);
}

}  // namespace

TEST_CASE("the memory plan is within 5 % of what a training on pictures takes") {
  for (const char* strategy : {"head", "partial:1", "full", "gradual", "scratch", "lora:4", "bitfit"}) {
    for (int batch : {8, 32}) {
      RetrainOptions options = quick_options(strategy);
      options.recipe.cached_features = false;
      if (options.recipe.optimizer == Optimizer::lbfgs) options.recipe.optimizer = Optimizer::sgd;
      options.recipe.views = 0;
      options.recipe.batch = batch;
      check_close(run_small(options).memory_plan, str(strategy, ", batch ", batch));
    }
  }
}

TEST_CASE("the memory plan counts what a recipe adds") {
  const std::vector<std::pair<const char*, std::function<void(Recipe&)>>> cases = {
      {"adamw", [](Recipe& r) { r.optimizer = Optimizer::adamw; }},
      {"ema", [](Recipe& r) { r.ema = 0.9; }},
      {"keep_best", [](Recipe& r) { r.keep_best = true; }},
      {"l2_sp", [](Recipe& r) { r.l2_sp = 0.1; }},
      {"accumulate", [](Recipe& r) { r.accumulate = 2; }},
      {"mixup", [](Recipe& r) { r.mixup = 0.4; }},
      {"statistics go on", [](Recipe& r) { r.freeze_bn = false; }}};
  for (auto& [name, change] : cases) {
    RetrainOptions options = quick_options("full");
    options.recipe.batch = 16;
    change(options.recipe);
    check_close(run_small(options).memory_plan, name);
  }
}

TEST_CASE("the memory plan knows that above a trunk less is scored") {
  for (bool kept : {true, false}) {
    RetrainOptions options = quick_options("partial:1");
    options.recipe.batch = 16;
    options.recipe.views = 1;
    options.recipe.cached_features = kept;
    check_close(run_small(options).memory_plan, kept ? "a kept trunk" : "a trunk that runs each time");
  }
}

TEST_CASE("the memory plan is within 5 % of what a training on texts takes") {
  for (const char* strategy : {"full", "lora:2", "partial:1"}) {
    OneThread one_thread;
    Shop shop(kBert, strategy);
    shop.options.settings = {{"batch", "16"}, {"epochs", "2"}, {"cached_features", "false"}};
    check_close(tune(shop.options).memory_plan, strategy);
  }
}

TEST_CASE("planning moves nothing: the run after it is the same to the bit") {
  auto run = [](int64_t limit) {
    RetrainOptions options = quick_options("full");
    options.recipe.freeze_bn = false;
    options.memory_limit = limit;
    return run_small(options);
  };
  // With and without a plan: lengths of steps, statistics and draws are those of train() alone.
  auto network = small_network(3), planned = small_network(3);
  Recipe recipe;
  recipe.batch = 4;
  for (auto* net : {network.get(), planned.get()}) net->train();
  Plan plan_of_one = transfer::plan(*planned, {{"*", Freeze::trainable}});
  PictureSet set = drawn_pictures(3, 4, 8, 1);
  Task task;
  task.count = set.size();
  task.network = planned.get();
  task.inputs = [&](std::span<const int64_t> which, int) {
    return transfer::inputs(set, which, {.resize = 0, .crop = 8});
  };
  task.labels = [&](std::span<const int64_t> which) { return labels(set, which); };
  task.logits = [&](const Var& x) { return planned->forward(x); };
  MemoryPlanner planner(
      task, plan_of_one, recipe, [](int64_t) {}, 1);
  CHECK(planner.plan(4, int64_t{1} << 40).peak > 0);
  std::vector<nn::NamedTensor> a = nn::named_tensors(*network), b = nn::named_tensors(*planned);
  for (size_t i = 0; i < a.size(); ++i) {
    CHECK_MESSAGE(bit_equal(a[i].value(), b[i].value()), a[i].name);
    if (b[i].parameter) CHECK(!b[i].parameter->var.grad().defined());
  }
  CHECK(run(0).step_losses == run(int64_t{1} << 40).step_losses);
}

TEST_CASE("what does not fit is refused before step 1, with what would fit") {
  RetrainOptions options = quick_options("full");
  options.recipe.batch = 32;
  int64_t steps = 0;
  options.hooks.after_step = [&](int64_t) { ++steps; };
  options.recipe.batch = 12;
  int64_t enough = run_small(options).memory_plan.peak;
  options.recipe.batch = 32;
  int64_t needed = run_small(options).memory_plan.peak;
  REQUIRE(enough < needed);
  steps = 0;
  options.memory_limit = enough;
  try {
    run_small(options);
    FAIL("the plan does not fit");
  } catch (const MemoryError& e) {
    std::string message = e.what();
    CHECK(message.find("batches of 32 need") != std::string::npos);
    CHECK(message.find("the largest batch that fits is ") != std::string::npos);
  }
  CHECK(steps == 0);
  options.recipe.batch_auto = true;
  RunResult result = run_small(options);
  int batch = std::stoi(result.settings.at("batch"));
  CHECK(batch >= 1);
  CHECK(batch < 32);
  CHECK((batch & (batch - 1)) == 0);
  CHECK(result.memory_plan.measured <= options.memory_limit);
}

TEST_CASE("amounts of memory are read, and what is free is known") {
  CHECK(parse_bytes("--memory", "4G") == int64_t{4} << 30);
  CHECK(parse_bytes("--memory", "1.5MiB") == 3 << 19);
  CHECK(parse_bytes("--memory", "1000") == 1000);
  for (const char* bad : {"", "G", "4X", "-1G", "nan", "4GG", "0"})
    CHECK_THROWS_AS(parse_bytes("--memory", bad), UsageError);
  CHECK(free_cpu_memory() > 0);
}

TEST_CASE("out of memory names the tensor") {
  try {
    Tensor::empty({int64_t{1} << 45, 3}, DType::f32);
    FAIL("no machine has this");
  } catch (const MemoryError& e) {
    CHECK(std::string(e.what()).find("for a tensor f32[35184372088832, 3]") != std::string::npos);
  }
}

TEST_CASE("memory plans of published sizes are within 5 %") {
  const std::vector<std::pair<const char*, const char*>> pairs = {
      {"mobilenet_v2", "head"},   {"mobilenet_v2", "partial:1"}, {"mobilenet_v2", "full"},
      {"mobilenet_v2", "lora:8"}, {"resnet18", "partial:1"},     {"resnet18", "full"},
      {"resnet18", "bitfit"},     {"squeezenet1_1", "full"}};
  for (auto [model, strategy] : pairs) {
    auto network = nn::make_classifier(model, 4);
    RetrainOptions options;
    options.model = model;
    options.strategy = parse_strategy(strategy);
    options.recipe = default_recipe(model, options.strategy);
    options.recipe.optimizer = Optimizer::adamw;
    options.recipe.cached_features = options.recipe.head_first = options.recipe.keep_best = false;
    options.recipe.views = options.recipe.patience = 0;
    options.recipe.epochs = 1;
    options.recipe.warmup_epochs = 0;
    options.recipe.batch = 16;
    options.preprocess = {.resize = 0, .crop = 64};
    options.cache = false;
    MemoryPlan plan =
        retrain(*network, drawn_pictures(4, 8, 64, 1), drawn_pictures(4, 2, 64, 2), options).memory_plan;
    check_close(plan, str(model, ", ", strategy));
    double off = static_cast<double>(plan.peak) / static_cast<double>(plan.measured) - 1;
    std::string line =
        str(model, " ", strategy, ": planned ", plan.peak, " measured ", plan.measured, " off ", 100 * off,
            " %, planning took ", plan.seconds, " s, in ", plan.peak_is_in);
    MESSAGE(line);
  }
}
