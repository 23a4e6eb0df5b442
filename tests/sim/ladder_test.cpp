// Each rung of bench/ladder/gemm/ is right, and the simulator's counters show the idea that its file tells.
#include "bench/ladder/gemm/rungs.h"
#include "kernels/cuda/sim/simulator.h"
#include "kernels/cuda/sim/watch.h"
#include "tests/sim/mutants.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

constexpr Device kSimulated{Device::Type::cuda, 0};
constexpr int64_t kRows = 128, kCols = 256, kDepth = 64;

struct Product {
  Tensor a, b, c;
  explicit Product(DType dtype)
      : a(random_tensor({kRows, kDepth}, 1).to(dtype).to(kSimulated)),
        b(random_tensor({kDepth, kCols}, 2).to(dtype).to(kSimulated)),
        c(Tensor::full({kRows, kCols}, NAN, dtype, kSimulated)) {}
};

Tensor exact(const Product& p) {
  Tensor a = p.a.to(kCpu).to(DType::f64), b = p.b.to(kCpu).to(DType::f64);
  Tensor c = Tensor::zeros({kRows, kCols}, DType::f64);
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t k = 0; k < kDepth; ++k) {
      for (int64_t j = 0; j < kCols; ++j)
        c.data<double>()[i * kCols + j] += a.data<double>()[i * kDepth + k] * b.data<double>()[k * kCols + j];
    }
  }
  return c;
}

sim::Counters counters_of(size_t number) {
  const ladder::Rung& rung = ladder::gemm_rungs()[number - 1];
  Product p(rung.dtype);
  sim::Watch watch;
  ladder::multiply(rung, p.a, p.b, p.c);
  for (const std::string& report : watch.reports()) FAIL_CHECK(rung.file << ": " << report);
  REQUIRE(watch.kernels().count(rung.kernel) == 1);
  return watch.kernels().at(rung.kernel).counters;
}

double sectors(const sim::Traffic& t) {
  return static_cast<double>(t.sectors) / static_cast<double>(t.requests);
}

}  // namespace

TEST_CASE("ladder: every rung multiplies, under every schedule") {
  for (const ladder::Rung& rung : ladder::gemm_rungs()) {
    CAPTURE(rung.file);
    Product p(rung.dtype);
    under_every_schedule([&] {
      ladder::multiply(rung, p.a, p.b, p.c);
      CHECK(max_relative_difference(p.c.to(kCpu), exact(p)) <= tolerance(rung.dtype));
    });
  }
}

TEST_CASE("ladder: a rung says which sizes it takes") {
  Tensor a = Tensor::zeros({33, 64}, DType::f32, kSimulated),
         b = Tensor::zeros({64, 32}, DType::f32, kSimulated);
  Tensor c = Tensor::zeros({33, 32}, DType::f32, kSimulated);
  check_throws<Error>([&] { ladder::multiply(ladder::gemm_rungs()[0], a, b, c); },
                      {"01_naive.cu", "33 x 32 x 64", "multiples of 32"});
}

TEST_SUITE("ladder, counted" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("ladder: what each rung gains is counted") {
    const int64_t products = kRows * kCols * kDepth, element = 4;
    sim::Counters naive = counters_of(1), coalesced = counters_of(2), tile = counters_of(3),
                  column = counters_of(4), square = counters_of(5), vectors = counters_of(6),
                  overlap = counters_of(7);
    // 1, 2: the same bytes, half of the requests 32 sectors wide on the first and none beyond 4 on the
    // second.
    CHECK(naive.global_load.bytes == 2 * products * element);
    CHECK(coalesced.global_load.bytes == naive.global_load.bytes);
    CHECK(sectors(naive.global_load) == (32 + 1) / 2.0);
    CHECK(sectors(naive.global_store) == 32);
    CHECK(sectors(coalesced.global_load) == (1 + 4) / 2.0);
    CHECK(sectors(coalesced.global_store) == 4);
    // 3: a tile of 32 x 32 shares what it reads.
    CHECK(tile.global_load.bytes * 32 == coalesced.global_load.bytes);
    CHECK(tile.barriers == kRows / 32 * (kCols / 32) * (kDepth / 32) * 2);
    // 4, 5: fewer loads from shared memory for each multiplication.
    CHECK(tile.shared_load.bytes == 2 * products * element);
    CHECK(column.shared_load.bytes * 8 == (1 + 8) * products * element);
    CHECK(square.shared_load.bytes * 4 == products * element);
    // 6: in a quarter of the instructions, without the conflicts.
    CHECK(vectors.shared_load.bytes == square.shared_load.bytes);
    CHECK(vectors.shared_load.requests * 4 == square.shared_load.requests);
    CHECK(square.shared_load.conflicts > 0);
    CHECK(vectors.shared_load.conflicts + vectors.shared_store.conflicts == 0);
    // 7: one barrier a step, and one before the first.
    CHECK(overlap.shared_load.conflicts + overlap.shared_store.conflicts == 0);
    CHECK(vectors.barriers == kRows / 128 * (kCols / 128) * (kDepth / 8) * 2);
    CHECK(overlap.barriers == kRows / 64 * (kCols / 64) * (kDepth / 8 + 1));
  }

  TEST_CASE("ladder: tensor cores without and with the swizzle") {
    sim::Counters plain = counters_of(8), swizzled = counters_of(9);
    CHECK(plain.shared_load.conflicts > 0);
    CHECK(swizzled.shared_load.conflicts + swizzled.shared_store.conflicts == 0);
  }

  TEST_CASE("ladder: with TMA and wgmma no thread loads anything, and one barrier is left") {
    sim::Counters n = counters_of(10);
    const int64_t tiles = kRows / 128 * (kCols / 64);
    CHECK(n.global_load.requests + n.shared_load.requests == 0);
    CHECK(n.bulk_bytes == tiles * (128 + 64) * kDepth * 2);
    CHECK(n.barriers == tiles);
  }

  TEST_CASE("ladder: nobody could leave out a barrier") {
    for (size_t number : {3, 4, 5, 6, 8}) {
      const ladder::Rung& rung = ladder::gemm_rungs()[number - 1];
      CAPTURE(rung.file);
      Product p(rung.dtype);
      check_barriers(str("bench/ladder/gemm/", rung.file), [&] { ladder::multiply(rung, p.a, p.b, p.c); });
    }
  }
}
