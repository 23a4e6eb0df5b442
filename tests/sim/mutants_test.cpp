// Mutants of the kernels as they stand: each __syncthreads of a file left out in turn, shuffles that read a
// neighbour, results that are too short. A Watch must speak of every one, or the values must be wrong, under
// every schedule; and of the kernels themselves nothing is said.
#include "autograd/ops.h"
#include "kernels/batch_norm.h"
#include "kernels/clip.h"
#include "kernels/embedding.h"
#include "kernels/lamb.h"
#include "kernels/layer_norm.h"
#include "nn/optim/clip.h"
#include "nn/optim/optimizer.h"
#include "tests/sim/mutants.h"

using namespace graft;
using namespace graft::test;

namespace {

constexpr Device kCuda{Device::Type::cuda, 0};

Tensor there(const Shape& shape, uint64_t seed, DType dtype = DType::f32) {
  return random_tensor(shape, seed, dtype).to(kCuda);
}

}  // namespace

TEST_SUITE("mutants" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("layer_norm, rms_norm") {
    for (int64_t cols : {96, 1100}) {  // a warp's row and a block's
      Tensor x = there({5, cols}, 1), w = there({cols}, 2), b = there({cols}, 3);
      Tensor y = x.empty_like(), mean = Tensor::empty({5}, DType::f32, kCuda), inverse = mean.empty_like();
      auto forward = [&] { kernels::layer_norm(x, w, b, 1e-5, y, mean, inverse); };
      auto backward = [&] { kernels::layer_norm_grad_input(x, x, w, mean, inverse, y); };
      forward();
      check_lanes("kernels/cuda/team.h", [&] { return forward(), y; });
      check_lanes("kernels/cuda/team.h", [&] { return backward(), y; });
      if (cols > 1024) {
        check_barriers("kernels/cuda/team.h", forward);
        check_barriers("kernels/cuda/team.h", backward);
      }
      check_bound([&] { kernels::layer_norm(x, w, b, 1e-5, y, mean.slice(0, 0, 4).clone(), inverse); });
    }
  }

  TEST_CASE("sums over rows, for the parameters of norms") {
    Tensor x = there({70, 33}, 1), dy = there({70, 33}, 2), dweight = there({33}, 3), dbias = there({33}, 4);
    Tensor mean = there({70}, 5), inverse = there({70}, 6);
    check_barriers("kernels/cuda/column_sums.h",
                   [&] { kernels::layer_norm_grad_parameters(x, dy, mean, inverse, dweight, dbias); });
    check_bound([&] {
      kernels::layer_norm_grad_parameters(x, dy, mean, inverse, dweight, dbias.slice(0, 0, 32).clone());
    });
  }

  TEST_CASE("batch norm's gradient through ReLU to a residual") {
    Tensor x = there({70, 33}, 1), mean = there({33}, 2), inverse = there({33}, 3), dweight = there({33}, 4);
    Tensor dbias = dweight.empty_like();
    auto gradient = [&](const Tensor& passed) {
      kernels::BatchNormGradient g{x, x, Activation::relu, passed};
      kernels::batch_norm_grad_parameters(x, g, mean, inverse, dweight, dbias);
    };
    check_barriers("kernels/cuda/column_sums.h", [&] { gradient(x.empty_like()); });
    check_bound([&] { gradient(there({70 * 33 - 1}, 5)); });
  }

  TEST_CASE("embedding") {
    Tensor indices = Tensor::empty({700}, DType::i64);
    for (int64_t i = 0; i < 700; ++i) indices.data<int64_t>()[i] = i * i % 11;
    indices = indices.to(kCuda);
    Tensor dy = there({700, 37}, 1), dtable = there({11, 37}, 2);
    auto backward = [&] { kernels::embedding_grad(dy, indices, 2, dtable); };
    check_barriers("kernels/cuda/embedding.cu", backward);
    check_bound([&] { kernels::embedding_grad(there({700 * 37 - 1}, 1), indices, 2, dtable); });
    check_bound([&] { kernels::embedding(dtable, indices, there({700 * 37 - 1}, 1)); });
  }

  TEST_CASE("norm of all gradients, LAMB") {
    kernels::TensorList all{{there({70000}, 1), there({3}, 2), there({33}, 3, DType::bf16)}};
    Tensor squares = Tensor::empty({}, DType::f64, kCuda);
    auto norm = [&] { kernels::sum_squares_of_all(all, squares); };
    check_barriers("kernels/cuda/clip.cu", norm);
    check_fences("kernels/cuda/clip.cu", norm);
    check_lanes("kernels/cuda/team.h", [&] { return norm(), squares; });
    kernels::TensorList less = all;
    less.of[0] = there({69999}, 1);
    check_bound([&] { kernels::scale_all(all, 2, less); });

    auto lamb = [](int64_t squares_of) {
      Tensor value = there({40000}, 1), grad = there({40000}, 2);
      kernels::LambStep s;
      s.parameters = {{value, grad, grad.zeros_like(), Tensor::zeros({squares_of}, DType::f32, kCuda)}};
      s.lr = 0.1;
      kernels::lamb_step(s);
      return value;
    };
    check_barriers("kernels/cuda/team.h", [&] { lamb(40000); });
    check_bound([&] { lamb(39999); });
  }

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
