// The product by warpgroups: values at every edge, exact counters; and mutants of its ring and its products,
// each with one deliberate error, that are all caught.
#include "kernels/cuda/gemm_tiers.h"
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
using ptx::Major;

Tensor there(const Shape& shape, uint64_t seed) {
  return random_tensor(shape, seed, DType::bf16).to(kSimulated);
}
Tensor transposed(const Tensor& t) {
  return t.to(kCpu).transpose(0, 1).contiguous().to(kSimulated);
}

// A product, under test with any tile and operands. Over two tiles each way with the smallest tile, and, with
// its ring of two stages, each stage three times.
struct Product {
  int64_t rows, cols, depth;
  Tensor a = there({rows, depth}, 1), b = there({cols, depth}, 2), c = there({rows, cols}, 3);
  Tensor across_a = transposed(a), across_b = transposed(b), expected;

  explicit Product(int64_t rows_ = 136, int64_t cols_ = 72, int64_t depth_ = 328)
      : rows(rows_), cols(cols_), depth(depth_), expected(Tensor::empty({rows, cols}, DType::f64)) {
    kernels::matmul_nt(a.to(kCpu).to(DType::f64), b.to(kCpu).to(DType::f64), {}, expected);
  }

  using Lines = AlongDepth<T>;
  using Across = AlongLines<T>;
  Lines lines_a{data<T>(a), depth, rows}, lines_b{data<T>(b), depth, cols};
  Across lines_across_a{data<T>(across_a), {rows}, rows, rows},
      lines_across_b{data<T>(across_b), {cols}, cols, cols};

  template <class Tile, class A, class B>
  std::vector<std::string> reports(const A& left, const B& right) const {
    Plan plan = plan_grid<Tile>(rows, cols, depth, 1, 1);
    Output<T> out{data<T>(c), {cols}, 0};
    TensorMap map_a = map_panel<Tile::kRows>(left, depth, 1), map_b = map_panel<Tile::kCols>(right, depth, 1);
    auto kernel = wgmma_product<Tile, kMajorOf<A>, kMajorOf<B>, Output<T>>;
    return reports_of(
        plan.grid, Tile::kThreads, [&] { kernel(map_a, map_b, out, plan.extent); }, Tile::kBytes);
  }
  template <class Tile>
  std::vector<std::string> along_depth() const {
    return reports<Tile>(lines_a, lines_b);
  }
  template <class Tile>
  std::vector<std::string> along_lines() const {
    return reports<Tile>(lines_across_a, lines_across_b);
  }
  // Rounded once to bf16.
  bool right() const { return max_relative_difference(c.to(kCpu), expected) <= 0x1p-8; }
};

using Small = WgmmaTile<64, 2>;

struct NoFullWait : Small {
  static void wait_full(Ring&, const Turn&) {}
};
struct WrongFullPhase : Small {
  static void wait_full(Ring& ring, Turn turn) { Small::wait_full(ring, {turn.stage, turn.parity ^ 1}); }
};
struct WrongStage : Small {
  static void wait_full(Ring& ring, Turn turn) { Small::wait_full(ring, {turn.stage ^ 1, turn.parity}); }
};
struct NoEmptyWait : Small {
  static void wait_empty(Ring&, const Turn&) {}
};
struct WrongEmptyPhase : Small {
  static void wait_empty(Ring& ring, Turn turn) { Small::wait_empty(ring, {turn.stage, turn.parity ^ 1}); }
};
struct ParityForgotten : Small {
  static void go_on(Turn& turn) { turn.stage ^= 1; }
};
struct NoRelease : Small {
  static void release(Ring&, const Turn&) {}
};
struct ReleasedByOneWarp : Small {
  static void release(Ring& ring, const Turn& turn) {
    for (int i = 0; i < 8 && threadIdx.x == 0; ++i) ptx::mbarrier_arrive(&ring.empty[turn.stage]);
  }
};
struct ReleasedWithoutWait : Small {
  static void wait_for_previous() {}
};
struct AnnouncesLess : Small {
  static void announce(Ring& ring, const Turn& turn) {
    ptx::mbarrier_arrive_expect(&ring.full[turn.stage], kStageBytes - 128);
  }
};
struct AnnouncesMore : Small {
  static void announce(Ring& ring, const Turn& turn) {
    ptx::mbarrier_arrive_expect(&ring.full[turn.stage], kStageBytes + 128);
  }
};
struct AnnouncesNothing : Small {
  static void announce(Ring& ring, const Turn& turn) { ptx::mbarrier_arrive(&ring.full[turn.stage]); }
};
struct NoFence : Small {
  static void fence(float (&)[32]) {}
};
struct NoLastWait : Small {
  static void wait_for_all(float (&)[32]) {}
};
struct LastWaitTooShort : Small {
  static void wait_for_all(float (&sums)[32]) { ptx::wgmma_wait<1>(sums); }
};
// Of 128 columns: those from 64 on are in another block.
struct BlockTooFar : WgmmaTile<128, 2> {
  static uint64_t descriptor(const T* lines) { return ptx::matrix_descriptor(lines, kBlockBytes / 2); }
};
struct NoSwizzle : Small {
  static uint64_t descriptor(const T* lines) { return Small::descriptor(lines) & ~(uint64_t{3} << 62); }
};
struct StrideHalved : Small {
  static uint64_t descriptor(const T* lines) {
    return Small::descriptor(lines) ^ (uint64_t{(1024 ^ 512) / 16} << 32);
  }
};
struct StagesMisaligned : Small {
  static Stage* stages() { return reinterpret_cast<Stage*>(reinterpret_cast<char*>(Small::stages()) - 512); }
};

}  // namespace

TEST_CASE("gemm_wgmma: every tile and layout, edges of tiles and of steps") {
  for (auto [rows, cols, depth] :
       {std::array{1, 8, 8}, {3, 64, 64}, {128, 128, 64}, {136, 72, 328}, {129, 264, 72}, {300, 520, 136}}) {
    CAPTURE(rows);
    Product p(rows, cols, depth);
    auto check = [&](auto tile, const auto& a, const auto& b) {
      using Tile = decltype(tile);
      p.c.fill(1e30);  // every element must be written
      multiply_wgmma<Tile>("product", a, b, Output<T>{data<T>(p.c), {cols}, 0}, rows, cols, depth, 1, 1);
      CHECK(p.right());
    };
    auto all = [&](auto tile) {
      check(tile, p.lines_a, p.lines_b);
      if (cols % 8 == 0) check(tile, p.lines_a, p.lines_across_b);
      if (rows % 8) return;
      check(tile, p.lines_across_a, p.lines_across_b);
      check(tile, p.lines_across_a, p.lines_b);
    };
    all(WideWgmmaTile{});
    all(WgmmaTile128{});
    all(NarrowWgmmaTile{});
    all(Small{});
  }
}

TEST_CASE("gemm_wgmma: chosen by capability, columns, depth and runs") {
  auto kernel_of = [](int64_t rows, int64_t cols, int64_t depth) {
    Tensor a = there({rows, depth}, 1), b = there({cols, depth}, 2), c = there({rows, cols}, 3);
    AlongDepth<T> lines_a(data<T>(a), depth, rows), lines_b(data<T>(b), depth, cols);
    return by_warpgroup(lines_a, lines_b, cols, depth);
  };
  CHECK(kernel_of(128, 64, 64));
  CHECK(kernel_of(1, 64, 64));
  CHECK(!kernel_of(128, 63, 64));
  CHECK(!kernel_of(128, 64, 63));
  CHECK(!kernel_of(128, 64, 65));  // rows that are no multiple of 16 bytes
  AtCapability older("80");
  CHECK(!kernel_of(128, 64, 64));
}

TEST_CASE("gemm_wgmma: batches, whose matrices end where the next begins") {
  constexpr int64_t groups = 3, rows = 72, cols = 136, depth = 88;
  Tensor a = there({groups, rows, depth}, 1), b = there({groups, cols, depth}, 2);
  Tensor c = there({groups, rows, cols}, 3);
  a.slice(0, 1, 2).fill(std::numeric_limits<double>::infinity());  // that nobody else may meet
  AlongDepth<T> lines_a(data<T>(a), depth, rows, rows * depth),
      lines_b(data<T>(b), depth, cols, cols * depth);
  // As many columns a group, one after the other, as b^T.
  Tensor across = b.to(kCpu).transpose(1, 2).contiguous().to(kSimulated);
  AlongLines<T> across_b(data<T>(across), {cols}, cols, cols, cols * depth);
  Output<T> out{data<T>(c), {cols}, rows * cols};
  auto check = [&] {
    for (int64_t g : {0, 2}) {
      auto matrix = [&](const Tensor& t) { return t.to(kCpu).to(DType::f64).slice(0, g, g + 1).clone(); };
      Tensor expected = Tensor::empty({rows, cols}, DType::f64);
      kernels::matmul_nt(matrix(a).reshape({rows, depth}), matrix(b).reshape({cols, depth}), {}, expected);
      CHECK(max_relative_difference(matrix(c).reshape({rows, cols}), expected) <= 0x1p-8);
    }
  };
  c.fill(1e30);
  multiply_wgmma<NarrowWgmmaTile>("product", lines_a, lines_b, out, rows, cols, depth, groups, 1);
  check();
  c.fill(1e30);
  multiply_wgmma<WgmmaTile128>("product", lines_a, across_b, out, rows, cols, depth, groups, 1);
  check();
}

TEST_SUITE("gemm_wgmma watched" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("gemm_wgmma: each byte once a tile, whole sectors, no bank conflicts, one barrier") {
    for (auto [rows, cols, tile_cols] :
         {std::array<int64_t, 3>{256, 192, 64}, {1536, 1024, 128}, {1536, 2048, 256}}) {
      CAPTURE(cols);
      const int64_t depth = 128, tiles = rows / 128 * (cols / tile_cols);
      Tensor a = there({rows, depth}, 1), b = there({cols, depth}, 2), out = there({rows, cols}, 3);
      sim::Watch watch;
      kernels::matmul_nt(a, b, {}, out);
      for (const std::string& report : watch.reports()) FAIL_CHECK(report);
      const sim::Counters counters = watch.total();
      CHECK(counters.bulk_bytes == tiles * (128 + tile_cols) * depth * 2);
      CHECK(counters.global_load == sim::Traffic{});
      CHECK(counters.shared_load == sim::Traffic{});
      CHECK(counters.shared_store.bytes == counters.bulk_bytes);  // by TMA alone
      CHECK(counters.shared_store.conflicts == 0);
      CHECK(counters.global_store.bytes == out.bytes());
      CHECK(counters.global_store.sectors * 32 == out.bytes());
      CHECK(counters.barriers == tiles);
    }
  }

  TEST_CASE("gemm_wgmma: nothing is reported") {
    Product p;
    check_silent(p.along_depth<Small>());
    CHECK(p.right());
    check_silent(p.along_lines<Small>());
    CHECK(p.right());
    check_silent(p.reports<Small>(p.lines_a, p.lines_across_b));
    CHECK(p.right());
    check_silent(p.along_depth<WideWgmmaTile>());
    CHECK(p.right());
  }

  TEST_CASE("gemm_wgmma: each mutant is caught under every schedule") {
    Product p;
    check_caught(p.along_depth<NoFullWait>(), "a wgmma's read");
    check_caught(p.along_depth<WrongFullPhase>(), "shared memory");
    check_caught(p.along_depth<WrongStage>(), "in mbarrier_wait");
    check_caught(p.along_depth<NoEmptyWait>(), "an asynchronous copy of shared memory");
    check_caught(p.along_depth<WrongEmptyPhase>(), "in mbarrier_wait");
    check_caught(p.along_depth<ParityForgotten>(), "shared memory");
    check_caught(p.along_depth<NoRelease>(), "in mbarrier_wait");
    check_caught(p.along_depth<ReleasedByOneWarp>(), "an asynchronous copy of shared memory");
    check_caught(p.along_depth<ReleasedWithoutWait>(), "still reads: wgmma_wait comes first");
    check_caught(p.along_depth<AnnouncesLess>(), "in mbarrier_wait");
    check_caught(p.along_depth<AnnouncesMore>(), "in mbarrier_wait");
    check_caught(p.along_depth<AnnouncesNothing>(), "a wgmma's read");
    check_caught(p.along_depth<NoFence>(), "no wgmma_fence since this thread touched the sums");
    check_caught(p.along_depth<NoLastWait>(), "of a wgmma before its wgmma_wait");
    check_caught(p.along_depth<LastWaitTooShort>(), "of a wgmma before its wgmma_wait");
    check_caught(p.along_depth<NoSwizzle>(), "not of the 128-byte swizzle");
    check_caught(p.along_depth<StagesMisaligned>(), "not aligned to 1024");
    check_barriers("kernels/cuda/gemm_wgmma.h", [&] { kernels::matmul_nt(p.a, p.b, {}, p.c); });
  }

  TEST_CASE("gemm_wgmma: mutants that only the values show") {
    Product p;
    p.along_depth<StrideHalved>();
    CHECK(!p.right());
    p.reports<BlockTooFar>(p.lines_a, p.lines_across_b);
    CHECK(!p.right());
    check_lanes("kernels/cuda/gemm_fragments.h", [&] {
      kernels::matmul_nt(p.a, p.b, {}, p.c);
      return p.c;
    });
    check_bound([&] { kernels::matmul_nt(p.a, p.b, {}, there({p.rows * p.cols - 8}, 3)); });
  }
}
