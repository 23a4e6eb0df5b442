// Broken kernels for the real sanitizers, which end the program: tests/CMakeLists.txt runs each of the
// skipped cases by itself, in the presets sim-tsan and sim-asan, and looks for the kernel's file in the
// report.
#include "tests/sim/kernels.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

void matmul(auto kernel) {
  constexpr size_t n = 2 * kTile;
  std::vector<float> a(n * n, 1.0f), b(n * n, 1.0f), c(n * n);
  sim::run("tiled_matmul", dim3(2, 2), dim3(kTile, kTile), 0,
           [&] { kernel(a.data(), b.data(), c.data(), static_cast<int>(n)); });
}

void sums(auto kernel, size_t n) {
  std::vector<float> in(n, 1.0f), out(4);
  sim::run("block_sums", 4, 64, 0, [&] { kernel(in.data(), out.data(), static_cast<int>(n)); });
}

void counts(auto kernel) {
  std::vector<int> in(1000, 3), bins(64);
  sim::run("histogram", 4, 128, 64 * sizeof(int), [&] { kernel(in.data(), bins.data(), 1000); });
}

void last_block(auto kernel) {
  std::vector<float> partial(5), out(1);
  std::vector<unsigned> arrived(1);
  sim::run("last_block_sums", 5, 32, 0, [&] { kernel(partial.data(), arrived.data(), out.data()); });
}

}  // namespace

TEST_CASE("the kernels that the mutants are made from pass under every sanitizer") {
  matmul(tiled_matmul<Mutant::none>);
  sums(block_sums<Mutant::none>, 200);
  counts(histogram<Mutant::none>);
  last_block(last_block_sums<Mutant::none>);
  sim::run("fill_shared", 2, 1, 0, [] { fill_shared<float>(32); });
}

TEST_CASE("thread mutant 1: a barrier is missing after the tiles are read" * doctest::skip()) {
  matmul(tiled_matmul<Mutant::no_barrier>);
}
TEST_CASE("thread mutant 2: a barrier is missing between the warps' sums and their reader" *
          doctest::skip()) {
  sums(block_sums<Mutant::no_barrier>, 200);
}
TEST_CASE("thread mutant 3: two blocks write to one place" * doctest::skip()) {
  sums(block_sums<Mutant::between_blocks>, 200);
}
TEST_CASE("thread mutant 4: blocks add to global memory without atomics" * doctest::skip()) {
  counts(histogram<Mutant::between_blocks>);
}
TEST_CASE("thread mutant 5: no fence around the news that a block's sum is there" * doctest::skip()) {
  last_block(last_block_sums<Mutant::no_fence>);
}

TEST_CASE("address mutant 1: <= for < reads behind the input" * doctest::skip()) {
  sums(block_sums<Mutant::bound>, 200);
}
TEST_CASE("address mutant 2: a matrix smaller than the tiles" * doctest::skip()) {
  std::vector<float> a(kTile * kTile - 1, 1.0f), b(kTile * kTile), c(kTile * kTile);
  sim::run("tiled_matmul", 1, dim3(kTile, kTile), 0,
           [&] { tiled_matmul<Mutant::none>(a.data(), b.data(), c.data(), kTile); });
}
TEST_CASE("address mutant 3: a write beside shared memory" * doctest::skip()) {
  sim::run("fill_shared", 2, 1, 0, [] { fill_shared<float>(33); });
}
TEST_CASE("address mutant 4: more bins than the launch has shared memory for" * doctest::skip()) {
  std::vector<int> in(1000, 3), bins(64);
  sim::run("histogram", 4, 128, 63 * sizeof(int),
           [&] { histogram<Mutant::none>(in.data(), bins.data(), 1000); });
}
