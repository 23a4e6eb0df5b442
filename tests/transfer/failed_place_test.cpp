// Memory that runs out names the layer: each one, on the way there and back.
#include "transfer/failed_place.h"

#include <set>

#include "autograd/ops.h"
#include "core/block_cache.h"
#include "core/parallel.h"
#include "core/place.h"
#include "nn/layers.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

// What is said of each request of `work` that is refused, until it comes to its end.
std::set<std::string> places(nn::Module& network, const std::function<void()>& work) {
  int before = threads();
  set_threads(1);
  std::set<std::string> out;
  for (int64_t number = 0;; ++number) {
    Place::forget();
    refuse_request(number);
    bool refused = false;
    try {
      work();
    } catch (const MemoryError&) {
      refused = true;
      out.insert(place_of_failure(network));
    }
    refuse_request(-1);
    if (!refused) break;
  }
  set_threads(before);
  return out;
}

}  // namespace

TEST_CASE("out of memory names the layer, on the way there and back") {
  auto network = small_network(3);
  network->train();
  Var x(random_tensor({2, 8, 8, 3}, 1, DType::f32), true);
  std::set<std::string> said = places(*network, [&] {
    Var y = sum(network->forward(x));
    backward(y);
  });
  int layers = 0;
  auto check = [&](const std::string& name, auto&) {
    CAPTURE(name);
    CHECK(said.count(", in " + name) == 1);
    CHECK(said.count(", on the way back through " + name) == 1);
    ++layers;
  };
  nn::for_each_layer<nn::Conv2d>(*network, check);
  nn::for_each_layer<nn::BatchNorm2d>(*network, check);
  nn::for_each_layer<nn::Linear>(*network, check);
  CHECK(layers >= 10);
  // Pooling and the loss belong to no layer: the last one is named.
  CHECK(std::any_of(said.begin(), said.end(), [](auto& s) { return s.starts_with(", after "); }));
  for (const nn::NamedTensor& t : nn::named_parameters(*network)) t.parameter->var.clear_grad();

  NoGrad no_grad;
  network->eval();
  said = places(*network, [&] { network->forward(x); });
  nn::for_each_layer<nn::Conv2d>(
      *network, [&](const std::string& name, auto&) { CHECK(said.count(", in " + name) == 1); });
}

TEST_CASE("a training that runs out of memory names the layer and the batch that would fit") {
  PictureSet train = drawn_pictures(2, 4, 4, 1), test = drawn_pictures(2, 1, 4, 2);
  RetrainOptions options = quick_options("scratch");
  options.preprocess.crop = 4;
  options.recipe.epochs = 1;
  options.recipe.batch = 4;
  // The first request of the second step.
  bool begun = false;
  options.hooks.after_step = [&](int64_t step) {
    if (step == 1) refuse_request(20), begun = true;
  };
  auto network = small_network(2);
  check_throws<MemoryError>(
      [&] {
        try {
          retrain(*network, train, test, options);
        } catch (const MemoryError& e) {
          std::string said = e.what();
          auto all = nn::named_modules(*network);
          bool named = std::any_of(all.begin(), all.end(), [&](auto& module) {
            return !module.first.empty() && said.find(" " + module.first + ",") != std::string::npos;
          });
          CHECK_MESSAGE(named, said);
          throw;
        }
      },
      {"out of memory", "for a tensor f32[", "in training with batches of 4",
       "by the memory plan the largest batch that fits is "});
  refuse_request(-1);
  CHECK(begun);
}

TEST_CASE("places: the innermost is named, a caught exception is forgotten, threads do not mix") {
  int outer = 0, inner = 0;
  Place::forget();
  CHECK(Place::of_failure().who == nullptr);
  CHECK(Place::now() == nullptr);
  auto fall = [&] {
    Place a(&outer);
    CHECK(Place::now() == &outer);
    Place b(&inner, true);
    throw Error("down");
  };
  CHECK_THROWS(fall());
  CHECK(Place::now() == nullptr);
  Place::Name found = Place::of_failure();
  CHECK(found.who == &inner);
  CHECK(found.backward);
  CHECK(found.inside);
  {
    Place again(&outer);
    CHECK_THROWS([&] {
      Place nobody(nullptr);
      throw Error("down");
    }());
    CHECK(Place::now() == &outer);
  }
  found = Place::of_failure();
  CHECK(found.who == &outer);  // the last there was: nobody in particular fell
  CHECK(!found.inside);
}
