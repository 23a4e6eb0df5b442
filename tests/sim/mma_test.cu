// The product on tensor cores, as a Watch sees it: exact counters, nothing reported; and mutants of its main
// loop, each with one deliberate error, that are all caught.
#include "kernels/conv2d.h"
#include "kernels/cuda/gemm_mma.h"
#include "kernels/matmul.h"
#include "tests/sim/mutants.h"
#include "tests/sim/watched.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;
using namespace graft::kernels::cuda;

namespace {

constexpr Device kSimulated{Device::Type::cuda, 0};
using T = __nv_bfloat16;

Tensor there(const Shape& shape, uint64_t seed) {
  return random_tensor(shape, seed, DType::bf16).to(kSimulated);
}

sim::Counters watched(const std::string& kernel, const std::function<void()>& f) {
  sim::Watch watch;
  f();
  for (const std::string& report : watch.reports()) FAIL_CHECK(report);
  REQUIRE(watch.kernels().count(kernel) == 1);
  return watch.kernels().at(kernel).counters;
}

// A run of 16 bytes for each lane of a warp is 16 sectors: no byte is fetched that nobody asked for.
void check_fast(const sim::Counters& c) {
  CHECK(c.shared_load.conflicts == 0);
  CHECK(c.shared_store.conflicts == 0);
  CHECK(c.global_load.sectors * 32 <= c.global_load.bytes);
  CHECK(c.global_store.sectors * 32 == c.global_store.bytes);
}

// One product of 72 x 88 with a depth of 136, over 2 x 2 tiles and five steps, under test with any tile and
// operands.
struct Product {
  static constexpr int kRows = 72, kCols = 88, kDepth = 136;
  Tensor a = there({kRows, kDepth}, 1), b = there({kCols, kDepth}, 2), c = there({kRows, kCols}, 3);
  Tensor across_a = transposed(a), across_b = transposed(b), expected = there({kRows, kCols}, 3);

  Product() { kernels::matmul_nt(a, b, {}, expected); }
  static Tensor transposed(const Tensor& t) { return t.to(kCpu).transpose(0, 1).contiguous().to(kSimulated); }

  using Lines = AlongDepth<T>;
  using Across = AlongLines<T>;
  Lines lines_a{data<T>(a), kDepth, kRows}, lines_b{data<T>(b), kDepth, kCols};
  Across lines_across_a{data<T>(across_a), {kRows}, kRows, kRows},
      lines_across_b{data<T>(across_b), {kCols}, kCols, kCols};

  // f(grid, kernel with its arguments)
  template <class Tile, class A, class B, class F>
  auto with(const A& left, const B& right, F&& f) const {
    Plan plan = plan_grid<Tile>(kRows, kCols, kDepth, 1, 1);
    Output<T> out{data<T>(c), {kCols}, 0};
    auto kernel = mma_product<Tile, A, B, Output<T>>;
    return f(plan.grid, [&] { kernel(left, right, out, plan.extent); });
  }
  template <class Tile, class A, class B>
  std::vector<std::string> reports(const A& left, const B& right) const {
    return with<Tile>(left, right, [](dim3 grid, const auto& body) {
      return reports_of(grid, Tile::kThreads, body, Tile::kBytes);
    });
  }
  template <class Tile>
  std::vector<std::string> along_depth() const {
    return reports<Tile>(lines_a, lines_b);
  }
  template <class Tile>
  std::vector<std::string> along_lines() const {
    return reports<Tile>(lines_across_a, lines_across_b);
  }
  template <class Tile, class A, class B>
  int64_t conflicts(const A& left, const B& right) const {
    sim::Watch watch;
    with<Tile>(left, right, [](dim3 grid, const auto& body) {
      sim::run("conflicts", grid, Tile::kThreads, Tile::kBytes, body);
    });
    return watch.total().shared_load.conflicts;
  }
  bool right() const { return bit_equal(c.to(kCpu), expected.to(kCpu)); }
};

struct NoWait : SmallMmaTile {
  static void wait_for_step() {}
};
struct WaitsForTooFew : SmallMmaTile {
  static void wait_for_step() { ptx::cp_async_wait<kAhead>(); }
};
struct CopiesTooFarAhead : SmallMmaTile {
  static constexpr int kAhead = kStages;
  static void wait_for_step() { ptx::cp_async_wait<kAhead - 1>(); }
};
struct NoSwizzle : SmallMmaTile {
  template <int kInRow>
  static int place(int row, int run) {
    return row * kInRow + run;
  }
};
struct HalfSwizzle : SmallMmaTile {
  template <int kInRow>
  static int place(int row, int run) {
    return row * kInRow + (run ^ (kInRow == 4 ? row / 2 % 2 : row % 4));
  }
};
// Rows of 4 runs with the order of rows of 8: runs end up in their neighbour's row.
struct SwizzleBeyondRow : SmallMmaTile {
  template <int kInRow>
  static int place(int row, int run) {
    return row * kInRow + (run ^ (row % 8)) + (run >= 8);
  }
};
struct SwappedMatrices : SmallMmaTile {
  template <bool kAlongDepth>
  static RowAndRun of_lane(int lane) {
    return SmallMmaTile::of_lane<kAlongDepth>(lane ^ 8);
  }
};
struct WrongLane : SmallMmaTile {
  template <bool kAlongDepth>
  static RowAndRun of_lane(int lane) {
    return SmallMmaTile::of_lane<kAlongDepth>(lane == 5 ? 6 : lane);
  }
};

template <class Operand>
struct OneLineTooMany : Operand {
  Run<T> run(const typename Operand::Line& line, int k, int end) const {
    bool inside = line.number <= Operand::count && k < end;
    return {inside ? Operand::place(line, k) : Operand::data, inside};
  }
};
template <class Operand>
struct OneStepTooMany : Operand {
  Run<T> run(const typename Operand::Line& line, int k, int end) const {
    return Operand::run(line, k, end + 1);
  }
};

}  // namespace

TEST_SUITE("mma" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("matmul on tensor cores: no bank conflicts, whole sectors, each byte once a tile") {
    AtCapability older("80");
    struct Case {
      int64_t rows, cols, depth, tile;
    };
    for (const Case& c : {Case{128, 192, 160, 64}, Case{1536, 1024, 64, 128}}) {
      CAPTURE(c.rows);
      int64_t tiles = c.rows / c.tile * (c.cols / c.tile), bytes = tiles * 2 * c.tile * c.depth * 2;
      Tensor a = there({c.rows, c.depth}, 1), b = there({c.cols, c.depth}, 2),
             out = there({c.rows, c.cols}, 3);
      Tensor across_a = there({c.depth, c.rows}, 1), across_b = there({c.depth, c.cols}, 2);
      for (const sim::Counters& counters :
           {watched("matmul_nt", [&] { kernels::matmul_nt(a, b, {}, out); }),
            watched("matmul_nn", [&] { kernels::matmul_nn(a, across_b, out); }),
            watched("matmul_tn", [&] { kernels::matmul_tn(across_a, across_b, out); })}) {
        check_fast(counters);
        CHECK(counters.global_load.bytes == bytes);
        CHECK(counters.shared_store.bytes == bytes);  // by cp.async
        CHECK(counters.global_store.bytes == out.bytes());
        CHECK(counters.barriers == tiles * (c.depth / 32 + 1));
      }
    }
  }

  TEST_CASE("conv2d on tensor cores: no bank conflicts, whole sectors, also at the edges of the picture") {
    AtCapability older("80");
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

  TEST_CASE("mma_product: nothing is reported") {
    AtCapability older("80");
    Product p;
    check_silent(p.along_depth<SmallMmaTile>());
    CHECK(p.right());
    check_silent(p.along_depth<LargeMmaTile>());
    CHECK(p.right());
    check_silent(p.along_lines<SmallMmaTile>());
    CHECK(p.right());
    check_silent(p.along_lines<LargeMmaTile>());
    CHECK(p.right());
    CHECK(p.conflicts<SmallMmaTile>(p.lines_a, p.lines_across_b) == 0);
  }

  TEST_CASE("mma_product: each mutant is caught under every schedule") {
    AtCapability older("80");
    Product p;
    check_caught(p.along_depth<NoWait>(), "an asynchronous copy");
    check_caught(p.along_lines<NoWait>(), "an asynchronous copy");
    check_caught(p.along_depth<WaitsForTooFew>(), "an asynchronous copy");
    check_barriers("kernels/cuda/gemm_mma.h", [&] { kernels::matmul_nt(p.a, p.b, {}, p.c); });
    check_barriers("kernels/cuda/gemm_mma.h", [&] { kernels::matmul_tn(p.across_a, p.across_b, p.c); });
    check_caught(p.along_depth<CopiesTooFarAhead>(), "race");
    check_caught(p.along_depth<SwizzleBeyondRow>(), "shared memory");
    using Lines = OneLineTooMany<Product::Lines>;
    using Across = OneStepTooMany<Product::Across>;
    check_caught(p.reports<SmallMmaTile>(Lines{p.lines_a}, p.lines_b), "outside of every allocation");
    check_caught(p.reports<SmallMmaTile>(p.lines_a, Lines{p.lines_b}), "outside of every allocation");
    check_caught(p.reports<SmallMmaTile>(p.lines_a, Across{p.lines_across_b}), "outside of every allocation");
  }

  TEST_CASE("mma_product: mutants that are not races: bank conflicts, wrong values") {
    AtCapability older("80");
    Product p;
    CHECK(p.conflicts<NoSwizzle>(p.lines_a, p.lines_b) > 0);
    CHECK(p.right());  // slow, and right
    CHECK(p.conflicts<NoSwizzle>(p.lines_across_a, p.lines_across_b) > 0);
    CHECK(p.right());
    CHECK(p.conflicts<HalfSwizzle>(p.lines_a, p.lines_b) > 0);
    CHECK(p.conflicts<HalfSwizzle>(p.lines_across_a, p.lines_across_b) > 0);
    p.along_depth<SwappedMatrices>();
    CHECK(!p.right());
    p.along_lines<SwappedMatrices>();
    CHECK(!p.right());
    p.along_depth<WrongLane>();
    CHECK(!p.right());
    p.along_lines<WrongLane>();
    CHECK(!p.right());
    check_lanes("kernels/cuda/gemm_fragments.h", [&] {
      kernels::matmul_nt(p.a, p.b, {}, p.c);
      return p.c;
    });
    check_bound([&] { kernels::matmul_nt(p.a, p.b, {}, there({p.kRows - 1, p.kCols}, 3)); });
  }
}
