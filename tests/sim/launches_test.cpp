// How many launches a step of an optimizer takes: one for all parameters of a group.
#include "kernels/cuda/sim/watch.h"
#include "nn/optim/clip.h"
#include "nn/optim/optimizer.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

Tensor there(const Shape& shape, uint64_t seed) {
  return random_tensor(shape, seed, DType::f32).to(Device{Device::Type::cuda, 0});
}

}  // namespace

TEST_SUITE("launches" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("how many launches a step of an optimizer takes, whatever the number of parameters") {
    for (int64_t count : {1, 200}) {
      std::vector<Var> parameters;
      for (int64_t i = 0; i < count; ++i) {
        parameters.emplace_back(there({i % 7 + 1}, 1), true);
        parameters.back().set_grad(there({i % 7 + 1}, 2));
      }
      nn::Adam adam({{"all", parameters}});
      nn::Lamb lamb({{"all", parameters}});
      for (int step = 0; step < 2; ++step) {  // the first makes the state
        auto launches = [](const char* kernel, const std::function<void()>& f) {
          sim::Watch watch;
          f();
          return watch.kernels().at(kernel).counters.launches;
        };
        CHECK(launches("adam_step", [&] { adam.step(0.1); }) == 1);
        CHECK(launches("lamb_step", [&] { lamb.step(0.1); }) == 1);
        CHECK(launches("lamb_step: moments", [&] { lamb.step(0.1); }) == 1);
        CHECK(launches("sum_squares_of_all", [&] { nn::gradient_norm(parameters); }) == 1);
        CHECK(launches("scale_all", [&] { nn::clip_gradients(parameters, 1e-3); }) == 1);
      }
    }
  }
}
