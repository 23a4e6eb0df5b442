// What a Watch says of matmul and convolution: each byte comes from global memory once for each tile, in
// whole sectors, and no two threads of a warp meet in a bank of shared memory.
#include "kernels/conv2d.h"
#include "kernels/cuda/sim/simulator.h"
#include "kernels/cuda/sim/watch.h"
#include "kernels/matmul.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

constexpr Device kSimulated{Device::Type::cuda, 0};

Tensor there(const Shape& shape, uint64_t seed) {
  return random_tensor(shape, seed, DType::f32).to(kSimulated);
}

// Counters of the kernels in which `f` multiplies, by the way silent about races and strays.
sim::Counters watched(const std::string& kernel, const std::function<void()>& f) {
  sim::Watch watch;
  f();
  for (const std::string& report : watch.reports()) FAIL_CHECK(report);
  REQUIRE(watch.kernels().count(kernel) == 1);
  return watch.kernels().at(kernel).counters;
}

// A float4 of a full warp is 16 sectors, four for each of the four floats; fewer where windows share pixels.
void check_fast(const sim::Counters& c) {
  CHECK(c.shared_load.conflicts == 0);
  CHECK(c.shared_store.conflicts == 0);
  CHECK(c.global_load.sectors * 32 <= c.global_load.bytes);
  CHECK(c.global_store.sectors * 32 == c.global_store.bytes);
}

}  // namespace

TEST_SUITE("tiles" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("matmul: no bank conflicts, whole sectors, each byte once a tile") {
    struct Case {
      int64_t rows, cols, depth, tile_rows, tile_cols;
    };
    for (const Case& c :
         {Case{256, 192, 40, 64, 64}, Case{256, 32, 24, 128, 32}, Case{1280, 1280, 16, 128, 128}}) {
      CAPTURE(c.rows);
      int64_t tiles = c.rows / c.tile_rows * (c.cols / c.tile_cols);
      int64_t bytes = tiles * (c.tile_rows + c.tile_cols) * c.depth * 4;
      Tensor a = there({c.rows, c.depth}, 1), b = there({c.cols, c.depth}, 2),
             out = there({c.rows, c.cols}, 3);
      Tensor across_a = there({c.depth, c.rows}, 1), across_b = there({c.depth, c.cols}, 2);
      for (const sim::Counters& counters :
           {watched("matmul_nt", [&] { kernels::matmul_nt(a, b, {}, out); }),
            watched("matmul_nn", [&] { kernels::matmul_nn(a, across_b, out); }),
            watched("matmul_tn", [&] { kernels::matmul_tn(across_a, across_b, out); })}) {
        check_fast(counters);
        CHECK(counters.global_load.bytes == bytes);
        CHECK(counters.global_store.bytes == out.bytes());
      }
    }
  }

  TEST_CASE("conv2d: no bank conflicts, whole sectors, also at the edges of the picture") {
    for (int64_t stride : {1, 2}) {
      CAPTURE(stride);
      Tensor x = there({2, 16, 16, 16}, 1), weight = there({64, 3, 3, 16}, 2);
      Tensor y = there({2, 16 / stride, 16 / stride, 64}, 3);
      kernels::ConvWindow window{stride, 1, 1};
      check_fast(watched("conv2d", [&] { kernels::conv2d(x, weight, window, {}, y); }));
      check_fast(watched("conv2d_grad_input", [&] { kernels::conv2d_grad_input(y, weight, window, x); }));
      check_fast(watched("conv2d_grad_weight", [&] { kernels::conv2d_grad_weight(x, y, window, weight); }));
    }
  }

  TEST_CASE("conv2d, depthwise: no bank conflicts, four sectors a request") {
    Tensor x = there({1, 12, 12, 64}, 1), weight = there({64, 3, 3, 1}, 2), y = there({1, 12, 12, 64}, 3);
    kernels::ConvWindow window{1, 1, 64};
    sim::Counters forward = watched("conv2d: depthwise", [&] { kernels::conv2d(x, weight, window, {}, y); });
    CHECK(forward.global_load.sectors <= 4 * forward.global_load.requests);
    sim::Counters input =
        watched("conv2d_grad_input: depthwise", [&] { kernels::conv2d_grad_input(y, weight, window, x); });
    for (const sim::Counters& c : {forward, input}) {
      CHECK(c.shared_load.conflicts == 0);
      CHECK(c.global_store.sectors * 32 == c.global_store.bytes);
    }
    sim::Counters filters =
        watched("conv2d_grad_weight: depthwise", [&] { kernels::conv2d_grad_weight(x, y, window, weight); });
    CHECK(filters.shared_load.conflicts + filters.shared_store.conflicts == 0);
    CHECK(filters.global_load.sectors <= 4 * filters.global_load.requests);
  }
}
