// mbarriers, tile copies and named barriers: values where TMA puts them, order, and what goes wrong without
// them.
#include "core/rng.h"
#include "kernels/cuda/ptx_sm90.cuh"
#include "tests/sim/kernels.h"
#include "tests/sim/watched.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;
namespace ptx = graft::kernels::cuda::ptx;
using kernels::cuda::Swizzle;
using kernels::cuda::TensorMap;

namespace {

enum class Broken { none, no_wait, wrong_phase, no_release, expects_less, no_init };

// A pipeline of two stages: warp 1 copies tiles of 8 x 32 floats, warp 0 adds up their columns.
template <Broken kBroken>
__global__ void column_sums(const __grid_constant__ TensorMap map, float* out, int tiles) {
  struct Stages {
    alignas(1024) float at[2][8][32];
  };
  struct Barriers {
    uint64_t full[2], empty[2];
  };
  char* memory = kernels::cuda::dynamic_shared<char>();
  memory += (1024 - reinterpret_cast<uintptr_t>(memory) % 1024) % 1024;
  Stages& stages = *reinterpret_cast<Stages*>(memory);
  Barriers& barriers = kernels::cuda::shared<Barriers>();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (threadIdx.x == 0 && kBroken != Broken::no_init) {
    for (int s = 0; s < 2; ++s) {
      ptx::mbarrier_init(&barriers.full[s], 1);
      ptx::mbarrier_init(&barriers.empty[s], 32);
    }
  }
  __syncthreads();  // the barriers are there
  if (threadIdx.x >= 32) {
    for (int i = 0; i < tiles && lane == 0; ++i) {
      const int s = i % 2;
      const unsigned turn = static_cast<unsigned>(i / 2);
      if (kBroken != Broken::no_release) ptx::mbarrier_wait(&barriers.empty[s], (turn & 1) ^ 1);
      ptx::mbarrier_arrive_expect(&barriers.full[s], kBroken == Broken::expects_less ? 512 : 1024);
      ptx::tma_load(stages.at[s], map, 32 * static_cast<int>(blockIdx.x), 8 * i, &barriers.full[s]);
    }
    return;
  }
  float sum = 0;
  for (int i = 0; i < tiles; ++i) {
    const int s = i % 2;
    const unsigned turn = static_cast<unsigned>(i / 2);
    if (kBroken != Broken::no_wait)
      ptx::mbarrier_wait(&barriers.full[s], (kBroken == Broken::wrong_phase ? turn + 1 : turn) & 1);
    for (int row = 0; row < 8; ++row) sum += stages.at[s][row][lane];
    ptx::mbarrier_arrive(&barriers.empty[s]);
  }
  out[blockIdx.x * 32 + static_cast<unsigned>(lane)] = sum;
}

struct Case {
  static constexpr int kRows = 37, kCols = 44;  // the last boxes reach over both edges
  Buffer<float> in{kRows * kCols}, out{64};
  TensorMap map = kernels::cuda::make_tensor_map(in.data(), kRows, kCols, kCols * 4, 4, 8, 32, Swizzle::none);
  Case() {
    Rng rng(3);
    for (float& v : in.values) v = static_cast<float>(rng.below(100));
  }
  template <Broken kBroken>
  std::vector<std::string> reports() {
    return reports_of(
        2, 64, [&] { column_sums<kBroken>(map, out.data(), 5); }, 4096);
  }
};

}  // namespace

TEST_CASE("a TMA pipeline: values, edges and counters") {
  Case c;
  check_silent(c.reports<Broken::none>());
  for (int col = 0; col < 64; ++col) {
    float sum = 0;
    for (int row = 0; row < Case::kRows && col < Case::kCols; ++row) {
      sum += c.in.values[static_cast<size_t>(row * Case::kCols + col)];
    }
    CHECK(c.out.values[static_cast<size_t>(col)] == sum);
  }
  if (!sim::kWatchBuilt) return;
  sim::Watch watch;
  sim::run("column_sums", 2, 64, 4096, [&] { column_sums<Broken::none>(c.map, c.out.data(), 5); });
  CHECK(watch.total().bulk_bytes == 4 * Case::kRows * Case::kCols);
  CHECK(watch.total().shared_load.conflicts == 0);
}

TEST_CASE("TMA mutants") {
  Case c;
  auto stuck = [&](auto kernel, const char* part) {
    check_throws<DeviceError>(
        [&] { sim::run("column_sums", 2, 64, 4096, [&] { kernel(c.map, c.out.data(), 5); }); },
        {"kernel column_sums", part});
  };
  stuck(column_sums<Broken::expects_less>, "in mbarrier_wait");
  stuck(column_sums<Broken::no_init>, "nobody has initialised");
  if (!sim::kWatchBuilt) return;
  check_caught(c.reports<Broken::no_wait>(), "shared memory");
  check_caught(c.reports<Broken::wrong_phase>(), "shared memory");
  check_caught(c.reports<Broken::no_release>(), "an asynchronous copy");
}

TEST_CASE("the swizzle of 128 bytes: piece p of row r lies at p ^ (r % 8)") {
  constexpr int rows = 16, cols = 64;
  Buffer<__nv_bfloat16> in(rows * cols), out(rows * cols);
  for (size_t i = 0; i < rows * cols; ++i) in.values[i] = __nv_bfloat16(static_cast<float>(i % 251));
  TensorMap map =
      kernels::cuda::make_tensor_map(in.data(), rows, cols, cols * 2, 2, rows, cols, Swizzle::b128);
  check_silent(reports_of(
      1, 32,
      [&] {
        uint64_t& barrier = kernels::cuda::shared<uint64_t>();
        char* memory = kernels::cuda::dynamic_shared<char>();
        memory += (1024 - reinterpret_cast<uintptr_t>(memory) % 1024) % 1024;
        if (threadIdx.x == 0) ptx::mbarrier_init(&barrier, 1);
        __syncthreads();
        if (threadIdx.x == 0) {
          ptx::mbarrier_arrive_expect(&barrier, rows * cols * 2);
          ptx::tma_load(memory, map, 0, 0, &barrier);
        }
        ptx::mbarrier_wait(&barrier, 0);
        for (int i = static_cast<int>(threadIdx.x); i < rows * cols; i += 32) {
          out.data()[i] = reinterpret_cast<const __nv_bfloat16*>(memory)[i];
        }
      },
      4096));
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) {
      size_t piece = c / 8, at = r * cols + (piece ^ r % 8) * 8 + c % 8;
      CHECK(out.values[at].__x == in.values[r * cols + c].__x);
    }
  }
}

TEST_CASE("named barriers: two halves of a block, each with its own") {
  Buffer<int> out(128);
  auto run = [&](auto meet) {
    return reports_of(1, 128, [&] {
      int* p = kernels::cuda::shared<int[128]>();
      const int i = static_cast<int>(threadIdx.x);
      p[i] = i;
      meet(i / 64);
      out.data()[i] = p[i / 64 * 64 + 63 - i % 64];
    });
  };
  check_silent(run([](int part) { ptx::named_barrier(1 + part, 64); }));
  for (int i = 0; i < 128; ++i) CHECK(out.values[static_cast<size_t>(i)] == i / 64 * 64 + 63 - i % 64);
  if (sim::kWatchBuilt)
    check_caught(
        run([](int part) { ptx::named_barrier(1 + 2 * part + static_cast<int>(threadIdx.x) / 32 % 2, 32); }),
        "race");
  check_caught(run([](int part) { ptx::named_barrier(1, part ? 96 : 128); }), "where others said");
  check_caught(run([](int part) { part ? ptx::named_barrier(1, 96) : ptx::named_barrier(2, 64); }),
               "in named_barrier");
  check_caught(run([](int) { ptx::named_barrier(0, 32); }), "ids are 1 to 15");
}

TEST_CASE("a tensor map that the unit cannot use") {
  Buffer<float> in(64);
  using kernels::cuda::make_tensor_map;
  check_throws<Error>([&] { make_tensor_map(in.data() + 1, 2, 8, 32, 4, 2, 8, Swizzle::none); },
                      {"multiples of 16"});
  check_throws<Error>([&] { make_tensor_map(in.data(), 2, 7, 28, 4, 2, 8, Swizzle::none); },
                      {"28 bytes apart"});
  check_throws<Error>([&] { make_tensor_map(in.data(), 2, 8, 32, 4, 257, 8, Swizzle::none); }, {"257"});
  check_throws<Error>([&] { make_tensor_map(in.data(), 2, 8, 32, 4, 2, 8, Swizzle::b128); },
                      {"128 bytes, not 32"});
}
