// The host twins of PTX instructions: lane maps as the PTX ISA prints them, copies that land when they are
// waited for.
#include <cstdlib>
#include <memory>
#include <set>
#include <span>

#include "core/half.h"
#include "core/rng.h"
#include "kernels/cuda/ptx.cuh"
#include "kernels/cuda/sim/watch.h"
#include "tests/sim/kernels.h"
#include "tests/sim/watched.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;
namespace ptx = graft::kernels::cuda::ptx;
using kernels::cuda::shared;

namespace {

// c [16, 8] = a [16, 16] b [16, 8] by one warp. b is stored as it is, or with kTransposed as [8, 16].
template <class T, bool kTransposed>
__global__ void small_matmul(const T* a, const T* b, float* c) {
  struct Tiles {
    alignas(16) T a[16][16];
    alignas(16) T b[16][8];
  };
  Tiles& tiles = shared<Tiles>();
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 256; i += 32) (&tiles.a[0][0])[i] = a[i];
  for (int i = lane; i < 128; i += 32) (&tiles.b[0][0])[i] = b[i];
  __syncwarp();
  uint32_t fa[4], fb[2];
  ptx::ldmatrix(fa, &tiles.a[lane % 16][lane / 16 * 8]);
  if (kTransposed) {  // rows of [8, 16] are the columns of b: what mma wants as it is
    ptx::ldmatrix(fb, &tiles.b[0][0] + lane % 8 * 16 + lane / 8 % 2 * 8);
  } else {
    ptx::ldmatrix<true>(fb, &tiles.b[lane % 16][0]);
  }
  float fc[4] = {};
  ptx::mma_m16n8k16<T>(fc, fa, fb);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = fc[i];
}

template <class T>
void check_matmul() {
  Rng rng(11);
  Buffer<T> a(256), b(128), turned(128);
  Buffer<float> c(128);
  for (T& v : a.values) v = T(static_cast<float>(rng.normal()));
  for (size_t k = 0; k < 16; ++k) {
    for (size_t n = 0; n < 8; ++n)
      turned.values[n * 16 + k] = b.values[k * 8 + n] = T(static_cast<float>(rng.normal()));
  }
  auto check = [&] {
    for (size_t i = 0; i < 16; ++i) {
      for (size_t n = 0; n < 8; ++n) {
        double sum = 0;
        for (size_t k = 0; k < 16; ++k)
          sum += double(float(a.values[i * 16 + k])) * float(b.values[k * 8 + n]);
        CHECK(c.values[i * 8 + n] == doctest::Approx(sum).epsilon(1e-5));
      }
    }
  };
  check_silent(reports_of(1, 32, [&] { small_matmul<T, false>(a.data(), b.data(), c.data()); }));
  check();
  std::fill(c.values.begin(), c.values.end(), 0.0f);
  check_silent(reports_of(1, 32, [&] { small_matmul<T, true>(a.data(), turned.data(), c.data()); }));
  check();
}

// out[block] = the sum of the block's 64 values, which come in two groups of copies.
enum class CopyMutant { none, no_wait, one_group_early, no_barrier, overwritten };
template <CopyMutant kMutant>
__global__ void copied_sums(const float* in, float* out) {
  struct Stages {
    alignas(16) float at[2][32];
  };
  Stages& stages = shared<Stages>();
  const int lane = static_cast<int>(threadIdx.x);
  for (int stage = 0; stage < 2; ++stage) {
    ptx::cp_async<4>(&stages.at[stage][lane], in + blockIdx.x * 64 + stage * 32 + lane);
    ptx::cp_async_commit();
  }
  float sum = 0;
  for (int stage = 0; stage < 2; ++stage) {
    if (kMutant == CopyMutant::one_group_early) {
      ptx::cp_async_wait<1>();
    } else if (kMutant != CopyMutant::no_wait) {
      stage == 0 ? ptx::cp_async_wait<1>() : ptx::cp_async_wait<0>();
    }
    if (kMutant != CopyMutant::no_barrier) __syncthreads();  // everybody's copies of this stage are there
    sum += stages.at[stage][31 - lane];
    if (kMutant == CopyMutant::overwritten && stage == 0) {
      ptx::cp_async<4>(&stages.at[stage][lane], in + lane);
      ptx::cp_async_commit();
    }
  }
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, step);
  if (lane == 0) out[blockIdx.x] = sum;
}

}  // namespace

TEST_CASE("mma of bf16 and f16 on fragments that ldmatrix loaded") {
  check_matmul<__nv_bfloat16>();
  check_matmul<__half>();
}

TEST_CASE("ldmatrix: each lane's two elements of each matrix") {
  auto got = [](auto transposed) {
    std::vector<uint32_t> out(4 * 32);
    sim::run("load", 1, 32, 0, [&] {
      struct alignas(16) Tile {
        uint16_t at[32][8];
      };
      Tile& tile = shared<Tile>();
      for (int j = 0; j < 8; ++j)
        tile.at[threadIdx.x][j] = static_cast<uint16_t>(100 * threadIdx.x + static_cast<unsigned>(j));
      __syncwarp();
      uint32_t r[4];
      ptx::ldmatrix<transposed>(r, tile.at[threadIdx.x]);
      for (unsigned m = 0; m < 4; ++m) out[m * 32 + threadIdx.x] = r[m];
    });
    return out;
  };
  auto plain = got(std::false_type{}), turned = got(std::true_type{});
  for (uint32_t m = 0; m < 4; ++m) {
    for (uint32_t lane = 0; lane < 32; ++lane) {
      uint32_t row = 8 * m + lane / 4, col = 2 * (lane % 4);
      CHECK(plain[m * 32 + lane] == ((100 * row + col) | (100 * row + col + 1) << 16));
      row = 8 * m + 2 * (lane % 4), col = lane / 4;
      CHECK(turned[m * 32 + lane] == ((100 * row + col) | (100 * (row + 1) + col) << 16));
    }
  }
}

TEST_CASE("mma of TF32: the lane map, element by element, and the rounding") {
  // a has a single 1 in register i of a lane, b is b[k][n] = 10 k + n: row `row` of c must be row `k` of b.
  for (int lane : {0, 5, 14, 31}) {
    for (int i = 0; i < 4; ++i) {
      std::vector<float> c(16 * 8);
      sim::run("tf32", 1, 32, 0, [&] {
        const int me = static_cast<int>(threadIdx.x), g = me / 4, t = me % 4;
        uint32_t a[4] = {}, b[2] = {ptx::to_tf32(static_cast<float>(10 * t + g)),
                                    ptx::to_tf32(static_cast<float>(10 * (t + 4) + g))};
        if (me == lane) a[i] = ptx::to_tf32(1.0f);
        float fc[4] = {};
        ptx::mma_m16n8k8_tf32(fc, a, b);
        for (int j = 0; j < 4; ++j) c[static_cast<size_t>((g + j / 2 * 8) * 8 + t * 2 + j % 2)] = fc[j];
      });
      const int row = lane / 4 + (i == 1 || i == 3 ? 8 : 0), k = lane % 4 + (i >= 2 ? 4 : 0);
      for (int r = 0; r < 16; ++r) {
        for (int n = 0; n < 8; ++n) {
          CHECK(c[static_cast<size_t>(r * 8 + n)] == (r == row ? static_cast<float>(10 * k + n) : 0.0f));
        }
      }
    }
  }
  CHECK(sim::to_tf32(1.0f) == 0x3F800000u);
  CHECK(sim::to_tf32(__uint_as_float(0x3F800FFFu)) == 0x3F800000u);
  CHECK(sim::to_tf32(__uint_as_float(0x3F801000u)) == 0x3F802000u);  // a tie goes away from 0
  CHECK(sim::to_tf32(__uint_as_float(0xBF801000u)) == 0xBF802000u);
  CHECK(sim::to_tf32(__uint_as_float(0x7F800000u)) == 0x7F800000u);
}

TEST_CASE("cp.async: values, counters, and bytes beyond an edge") {
  Buffer<float> in(128), out(2);
  for (size_t i = 0; i < 128; ++i) in.values[i] = static_cast<float>(i);
  check_silent(reports_of(2, 32, [&] { copied_sums<CopyMutant::none>(in.data(), out.data()); }));
  CHECK(out.values[0] == 64 * 63 / 2);
  CHECK(out.values[1] == 64 * 64 + 64 * 63 / 2);

  sim::Watch watch;
  float* to = out.data();
  sim::run("edge", 1, 1, 64, [&] {
    float* p = kernels::cuda::dynamic_shared<float>();
    ptx::cp_async<16>(p, in.data() + 8, 8);
    ptx::cp_async<16>(p + 4, in.data(), 0);
    ptx::cp_async_commit();
    ptx::cp_async_wait<0>();
    to[0] = p[0] + 1000 * p[1] + p[2] + p[3] + p[4] + p[7];
  });
  CHECK(out.values[0] == 8 + 9000);
  CHECK(watch.reports().empty());
  if (sim::kWatchBuilt) {
    CHECK(watch.total().shared_store == sim::Traffic{32, 2, 0, 0});
    CHECK(watch.total().global_load.bytes == 8);
  }
}

TEST_CASE("cp.async: mutants") {
  Buffer<float> in(64), out(1);
  std::fill(in.values.begin(), in.values.end(), 1.0f);
  auto run = [&](auto kernel) { return reports_of(1, 32, [&] { kernel(in.data(), out.data()); }); };
  // Without a Watch too: what has not been waited for has not landed.
  sim::run("no wait", 1, 32, 0, [&] { copied_sums<CopyMutant::no_wait>(in.data(), out.data()); });
  CHECK(std::isnan(out.values[0]));
  sim::run("early", 1, 32, 0, [&] { copied_sums<CopyMutant::one_group_early>(in.data(), out.data()); });
  CHECK(std::isnan(out.values[0]));
  if (!sim::kWatchBuilt) return;
  check_caught(run(copied_sums<CopyMutant::no_wait>), "an asynchronous copy");
  check_caught(run(copied_sums<CopyMutant::one_group_early>), "an asynchronous copy");
  check_caught(run(copied_sums<CopyMutant::no_barrier>), "race");
  check_caught(run(copied_sums<CopyMutant::overwritten>), "an asynchronous copy");
}

TEST_CASE("misuse is named") {
  Buffer<float> in(64);
  auto run = [](unsigned threads, auto body) { sim::run("misuse", 1, threads, 64, body); };
  auto dynamic = [] { return kernels::cuda::dynamic_shared<float>(); };
  check_throws<DeviceError>([&] { run(1, [&] { ptx::cp_async<16>(dynamic() + 1, in.data()); }); },
                            {"cp_async of 16"});
  check_throws<DeviceError>([&] { run(1, [&] { ptx::cp_async<4>(in.data(), in.data()); }); },
                            {"not in shared memory"});
  check_throws<DeviceError>([&] { run(1, [&] { ptx::cp_async<4>(dynamic(), in.data(), 5); }); },
                            {"5 valid of 4"});
  check_throws<DeviceError>(
      [&] {
        run(16, [&] {
          uint32_t r[1];
          ptx::ldmatrix(r, dynamic());
        });
      },
      {"ldmatrix in a warp of fewer than 32"});
  check_throws<DeviceError>(
      [&] {
        run(32, [&] {
          uint32_t r[1];
          ptx::ldmatrix(r, dynamic() + 1);
        });
      },
      {"not aligned to 16"});
  check_throws<DeviceError>(
      [&] {
        run(32, [&] {
          float c[4] = {};
          uint32_t a[4] = {}, b[2] = {};
          if (threadIdx.x != 3) ptx::mma_m16n8k8_tf32(c, a, b);
        });
      },
      {"lanes that have returned"});
}
