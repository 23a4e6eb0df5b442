// The simulator runs kernels as a GPU does: values, every schedule, any number of host threads, and reports
// of barriers that never complete.
#include <functional>

#include "core/parallel.h"
#include "core/rng.h"
#include "tests/sim/kernels.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

std::vector<float> random_values(size_t n, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

// What `f` returns must be the same bits under every schedule, with 1, 2 and 4 host threads.
template <class T>
std::vector<T> same_everywhere(const std::function<std::vector<T>()>& f) {
  std::vector<T> first;
  int threads_before = threads();
  using Order = sim::Schedule::Order;
  for (sim::Schedule schedule :
       {sim::Schedule{Order::forward}, sim::Schedule{Order::reversed}, sim::Schedule{Order::random, 1},
        sim::Schedule{Order::random, 2}, sim::Schedule{Order::random, 3}}) {
    for (int count : {1, 2, 4}) {
      CAPTURE(to_text(schedule));
      CAPTURE(count);
      sim::set_schedule(schedule);
      set_threads(count);
      std::vector<T> now = f();
      if (first.empty()) first = now;
      REQUIRE(now.size() == first.size());
      CHECK(std::memcmp(now.data(), first.data(), now.size() * sizeof(T)) == 0);
    }
  }
  sim::set_schedule({});
  set_threads(threads_before);
  return first;
}

}  // namespace

TEST_CASE("tiled matmul") {
  constexpr int n = 3 * kTile;
  auto a = random_values(n * n, 1), b = random_values(n * n, 2);
  auto c = same_everywhere<float>([&] {
    std::vector<float> out(n * n);
    sim::run("tiled_matmul", dim3(3, 3), dim3(kTile, kTile), 0,
             [&] { tiled_matmul<Mutant::none>(a.data(), b.data(), out.data(), n); });
    return out;
  });
  for (int row = 0; row < n; ++row) {
    for (int col = 0; col < n; ++col) {
      float sum = 0;
      for (int k = 0; k < n; ++k)
        sum += a[static_cast<size_t>(row * n + k)] * b[static_cast<size_t>(k * n + col)];
      CHECK(c[static_cast<size_t>(row * n + col)] == doctest::Approx(sum).epsilon(1e-5));
    }
  }
}

TEST_CASE("sums by shuffles") {
  for (int n : {0, 1, 63, 256, 700}) {
    CAPTURE(n);
    auto in = random_values(static_cast<size_t>(n), 3);
    auto out = same_everywhere<float>([&] {
      std::vector<float> sums(3, -1.0f);
      sim::run("block_sums", 3, 256, 0, [&] { block_sums<Mutant::none>(in.data(), sums.data(), n); });
      return sums;
    });
    for (int block = 0; block < 3; ++block) {
      double sum = 0;
      for (int i = block * 256; i < std::min(n, (block + 1) * 256); ++i) sum += in[static_cast<size_t>(i)];
      CHECK(out[static_cast<size_t>(block)] == doctest::Approx(sum).epsilon(1e-5));
    }
  }
}

TEST_CASE("transpose") {
  constexpr int n = 64;
  auto in = random_values(n * n, 4);
  auto out = same_everywhere<float>([&] {
    std::vector<float> turned(n * n);
    sim::run("transpose", dim3(2, 2), dim3(32, 8), 0, [&] { transpose<1>(in.data(), turned.data(), n); });
    return turned;
  });
  for (size_t y = 0; y < n; ++y) {
    for (size_t x = 0; x < n; ++x) CHECK(out[x * n + y] == in[y * n + x]);
  }
}

TEST_CASE("histogram with atomics in shared and global memory") {
  Rng rng(5);
  std::vector<int> in(5000), expected(64);
  for (int& v : in) ++expected[static_cast<size_t>(v = static_cast<int>(rng.below(64)))];
  auto out = same_everywhere<int>([&] {
    std::vector<int> counts(64);
    sim::run("histogram", 7, 128, 64 * sizeof(int),
             [&] { histogram<Mutant::none>(in.data(), counts.data(), static_cast<int>(in.size())); });
    return counts;
  });
  CHECK(out == expected);
}

TEST_CASE("votes and warp reductions") {
  std::vector<float> in(96, -1.0f);
  for (size_t i = 32; i < 64; ++i) in[i] = static_cast<float>(i);
  in[64 + 7] = 2.0f;
  in[64 + 9] = 5.0f;
  auto out = same_everywhere<int>([&] {
    std::vector<int> result(15);
    sim::run("votes", 1, 96, 0, [&] { votes(in.data(), result.data()); });
    return result;
  });
  CHECK(out == std::vector<int>{0, 0, 0, 0, 0, 32, 1, 1, 1, 63, 2, 1, 0, 8, 5});
}

TEST_CASE("shuffles: lanes outside the group keep their value") {
  std::vector<int> out(4 * 32);
  sim::run("shuffles", 1, 32, 0, [&] {
    int i = static_cast<int>(threadIdx.x);
    out[static_cast<size_t>(i)] = __shfl_down_sync(0xFFFFFFFFu, i, 3, 8);
    out[static_cast<size_t>(32 + i)] = __shfl_up_sync(0xFFFFFFFFu, i, 2, 16);
    out[static_cast<size_t>(64 + i)] = __shfl_sync(0xFFFFFFFFu, i, 9, 8);
    out[static_cast<size_t>(96 + i)] = __shfl_xor_sync(0xFFFFFFFFu, i, 12, 8);
  });
  for (int i = 0; i < 32; ++i) {
    CHECK(out[static_cast<size_t>(i)] == (i % 8 < 5 ? i + 3 : i));
    CHECK(out[static_cast<size_t>(32 + i)] == (i % 16 < 2 ? i : i - 2));
    CHECK(out[static_cast<size_t>(64 + i)] == i / 8 * 8 + 1);
    CHECK(out[static_cast<size_t>(96 + i)] == ((i ^ 12) < i / 8 * 8 + 8 ? i ^ 12 : i));
  }
}

TEST_CASE("a grid and block of three dimensions: every thread once") {
  std::vector<int> seen(2 * 3 * 4 * 5 * 3 * 2);
  sim::run("once", dim3(2, 3, 4), dim3(5, 3, 2), 0, [&] {
    unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    atomicAdd(&seen[block * 30 + thread], 1);
  });
  CHECK(seen == std::vector<int>(seen.size(), 1));
}

TEST_CASE("a barrier that not all threads reach is reported with its line and the kernel") {
  std::vector<float> in(64), out(1);
  check_throws<DeviceError>(
      [&] {
        sim::run("block_sums", 1, 64, 0, [&] { block_sums<Mutant::divergent>(in.data(), out.data(), 64); });
      },
      {"kernel block_sums, block (0, 0, 0)", "not all of its threads reach", "(0, 0, 0) to (31, 0, 0)",
       "tests/sim/kernels.h:", "(32, 0, 0) to (63, 0, 0): returned"});
  check_throws<DeviceError>(
      [&] {
        sim::run("two barriers", 1, 64, 0, [&] {
          if (threadIdx.x < 32) {
            __syncthreads();
          } else {
            __syncthreads();
          }
        });
      },
      {"kernel two barriers", "a divergent barrier", "tests/sim/simulator_test.cu:"});
  // What was abandoned does not disturb the next kernel.
  sim::run("block_sums", 1, 64, 0, [&] { block_sums<Mutant::none>(in.data(), out.data(), 64); });
}

TEST_CASE("warp operations: a mask that not all keep, a lane that is not there") {
  auto run = [](unsigned block, auto body) { sim::run("warp", 1, block, 0, body); };
  check_throws<DeviceError>(
      [&] {
        run(32, [] {
          if (threadIdx.x) __syncwarp();
        });
      },
      {"kernel warp", "lanes that have returned"});
  check_throws<DeviceError>([&] { run(32, [] { __syncwarp(threadIdx.x < 16 ? 0x1FFFFu : 0xFFFFFFFFu); }); },
                            {"kernel warp", "0x0001ffff", "0xffffffff"});
  check_throws<DeviceError>([&] { run(32, [] { __syncwarp(1); }); }, {"lacks the caller"});
  check_throws<DeviceError>([&] { run(16, [] { __shfl_down_sync(0xFFFFFFFFu, 1, 8); }); },
                            {"reads lane 16, which does not take part"});
  run(16, [] { __syncwarp(); });
  run(32, [] {
    unsigned group = threadIdx.x < 16 ? 0xFFFFu : 0xFFFF0000u;
    if (__popc(__ballot_sync(group, 1)) != 16) __trap();
  });
}

TEST_CASE("shared memory: poisoned at the start, limits, writes beside it") {
  auto run = [](size_t bytes, auto body) { sim::run("shared", 2, 1, bytes, body); };
  run(16, [] {
    int* p = kernels::cuda::dynamic_shared<int>();
    if (p[3] != -1 || reinterpret_cast<uintptr_t>(p) % 128) __trap();
    p[3] = 0;
  });
  check_throws<DeviceError>([&] { run(0, [] { kernels::cuda::dynamic_shared<int>(); }); }, {"0 bytes"});
  check_throws<DeviceError>(
      [&] {
        run(0, [] {
          kernels::cuda::shared<int[8192]>();
          kernels::cuda::shared<int[8193]>();
        });
      },
      {"kernel shared", "65540", "49152", "dynamic_shared"});
  check_throws<Error>([&] { run(228 * 1024, [] {}); }, {"233472 bytes", "232448"});
#if !defined(__SANITIZE_ADDRESS__)
  check_throws<DeviceError>(
      [&] {
        run(0, [] {
          float* p = kernels::cuda::shared<float[4]>();
          for (int i = 0; i <= 4; ++i) p[i] = 0;
        });
      },
      {"beside the 16 bytes"});
#endif
}

TEST_CASE("a launch that a GPU would refuse") {
  auto nothing = [] {};
  check_throws<Error>([&] { sim::run("bad", 1, 0, 0, nothing); }, {"kernel bad", "(0, 1, 1)"});
  check_throws<Error>([&] { sim::run("bad", 1, dim3(1024, 2), 0, nothing); }, {"(1024, 2, 1)"});
  check_throws<Error>([&] { sim::run("bad", 0, 1, 0, nothing); }, {"a grid of (0, 1, 1)"});
  check_throws<Error>([&] { sim::run("bad", dim3(1, 65536), 1, 0, nothing); }, {"65535"});
}

TEST_CASE("an exception of a kernel's thread comes out of run") {
  check_throws<DataError>(
      [&] {
        sim::run("throws", 4, 64, 0, [] {
          if (threadIdx.x == 40) fail<DataError>("forty");
        });
      },
      {"forty"});
}
