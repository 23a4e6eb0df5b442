// What a Watch says of attention: no bank conflicts, no [queries, keys] matrix in memory, tensors that are
// too short.
#include "kernels/attention.h"

#include "autograd/ops.h"
#include "tests/sim/mutants.h"

using namespace graft;
using namespace graft::test;

namespace {

constexpr Device kCuda{Device::Type::cuda, 0};

// Queries, keys and head size of a launch, and tensors that fit: two heads that share a bias, causal, with a
// key of padding.
struct Launch {
  Launch(int64_t queries, int64_t keys, int64_t size, DType dtype) {
    auto there = [&](const Shape& shape, uint64_t seed) {
      return random_tensor(shape, seed, dtype).to(kCuda);
    };
    a.q = there({1, queries, 2, size}, 1);
    a.k = there({1, keys, 2, size}, 2);
    a.v = there({1, keys, 2, size}, 3);
    a.bias = there({1, queries, keys}, 4);
    a.lengths = Tensor::from(std::vector<int64_t>{keys - 1}, {1}).to(kCuda);
    a.scale = 0.25;
    a.causal = true;
    a.y = a.q.empty_like();
    a.lse = Tensor::empty({1, 2, queries}, DType::f32, kCuda);
    g.of = a;
    g.dy = there({1, queries, 2, size}, 5);
    g.dq = a.q.empty_like();
    g.dk = a.k.empty_like();
    g.dv = a.v.empty_like();
    g.dbias = a.bias.empty_like();
  }
  void forward() const { kernels::attention(a); }
  void backward() const { kernels::attention_grad(g); }

  kernels::AttentionArguments a;
  kernels::AttentionGradArguments g;
};

const std::vector<const char*> kKernels = {"attention", "attention_grad: queries", "attention_grad: keys",
                                           "attention_grad: bias"};

}  // namespace

TEST_SUITE("attention" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("attention: no bank conflicts and no atomics, on tensor cores and without") {
    for (DType dtype : {DType::f32, DType::bf16}) {
      for (int64_t size : {32, 64, 128, 256}) {
        Launch launch(64, 128, size, dtype);
        sim::Watch watch;
        launch.forward();
        launch.backward();
        for (const std::string& report : watch.reports()) FAIL_CHECK(report);
        for (const char* name : kKernels) {
          INFO(name << ", heads of " << size << ", " << std::string(to_text(dtype)));
          REQUIRE(watch.kernels().count(name) == 1);
          const sim::Counters& c = watch.kernels().at(name).counters;
          CHECK(c.shared_load.conflicts == 0);
          CHECK(c.shared_store.conflicts == 0);
          CHECK(c.atomics == 0);
        }
      }
    }
  }

  TEST_CASE("attention: forward writes the result and one number per row, nothing else") {
    Launch launch(128, 192, 64, DType::f32);
    sim::Watch watch;
    launch.forward();
    const sim::Traffic& stores = watch.kernels().at("attention").counters.global_store;
    CHECK(stores.bytes == launch.a.y.bytes() + launch.a.lse.bytes());
  }

  TEST_CASE("attention: a tensor that is too short is told of") {
    Launch right(70, 40, 32, DType::f32);
    right.a.lengths = right.g.of.lengths = {};  // of padding nothing is read
    right.forward();
    auto less = [](const Tensor& t) { return t.reshape({t.numel()}).slice(0, 0, t.numel() - 1).clone(); };
    auto check = [&](auto change, bool forward) {
      Launch launch = right;
      change(launch);
      check_bound([&] { forward ? launch.forward() : launch.backward(); });
    };
    // Sizes are those of q and k; the tensors that are too short are others.
    check([&](Launch& l) { l.a.v = less(l.a.v); }, true);
    check([&](Launch& l) { l.a.y = less(l.a.y); }, true);
    check([&](Launch& l) { l.a.lse = less(l.a.lse); }, true);
    check([&](Launch& l) { l.g.dy = less(l.g.dy); }, false);
    check([&](Launch& l) { l.g.dq = less(l.g.dq); }, false);
    check([&](Launch& l) { l.g.dk = less(l.g.dk); }, false);
    check([&](Launch& l) { l.g.dv = less(l.g.dv); }, false);
    check([&](Launch& l) { l.g.of.v = less(l.g.of.v); }, false);
  }
}
