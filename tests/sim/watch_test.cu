// What a Watch says of textbook kernels: exact counters; nothing on the correct kernels; each seeded mutant.
#include <cmath>

#include "core/rng.h"
#include "kernels/cuda/sim/memory.h"
#include "kernels/cuda/sim/watch.h"
#include "tests/sim/kernels.h"
#include "tests/sim/watched.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;
using kernels::cuda::dynamic_shared;
using kernels::cuda::shared;

namespace {

template <class Body>
sim::Counters counters_of(dim3 grid, dim3 block, const Body& body) {
  sim::Watch watch;
  sim::run("kernel", grid, block, 1024, body);
  for (const std::string& report : watch.reports()) FAIL_CHECK(report);
  return watch.total();
}

}  // namespace

TEST_SUITE("watch" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("sectors and bytes of global memory") {
    constexpr int64_t n = 1024;
    Buffer<float> in(4 * n), out(4 * n);
    const float* x = in.data();
    float* y = out.data();
    auto i = [] { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); };

    auto copy = counters_of(4, 256, [&] { y[i()] = x[i()]; });
    CHECK(copy.global_load == sim::Traffic{4 * n, n / 32, 4 * n / 32, 0});
    CHECK(copy.global_store == sim::Traffic{4 * n, n / 32, 4 * n / 32, 0});
    CHECK(copy.shared_load == sim::Traffic{});
    CHECK(copy.barriers == 0);
    CHECK(copy.launches == 1);

    auto stride2 = counters_of(4, 256, [&] { y[i()] = x[2 * i()]; });
    CHECK(stride2.global_load == sim::Traffic{4 * n, n / 32, 8 * n / 32, 0});

    auto misaligned = counters_of(4, 256, [&] { y[i()] = x[i() + 1]; });
    CHECK(misaligned.global_load.sectors == 5 * n / 32);

    auto broadcast = counters_of(4, 256, [&] { y[i()] = x[5]; });
    CHECK(broadcast.global_load.sectors == n / 32);

    auto vectors = counters_of(
        4, 256, [&] { reinterpret_cast<float4*>(y)[i()] = reinterpret_cast<const float4*>(x)[i()]; });
    CHECK(vectors.global_load == sim::Traffic{16 * n, n / 32, 16 * n / 32, 0});
    CHECK(vectors.global_store == sim::Traffic{16 * n, n / 32, 16 * n / 32, 0});

    // 7 lanes of the last warp have work.
    auto part = counters_of(1, 64, [&] {
      if (i() < 39) y[i()] = x[i()];
    });
    CHECK(part.global_load == sim::Traffic{4 * 39, 2, 5, 0});

    // Loops: lanes come to the load one after another, and still make one request.
    auto loop = counters_of(1, 256, [&] {
      for (int64_t k = i(); k < n; k += 256) y[k] = 2 * x[k];
    });
    CHECK(loop.global_load == sim::Traffic{4 * n, n / 32, 4 * n / 32, 0});
  }

  TEST_CASE("bank conflicts of shared memory") {
    constexpr int n = 64;
    Buffer<float> in(n * n), out(n * n);
    auto plain = counters_of(dim3(2, 2), dim3(32, 8), [&] { transpose<0>(in.data(), out.data(), n); });
    auto padded = counters_of(dim3(2, 2), dim3(32, 8), [&] { transpose<1>(in.data(), out.data(), n); });
    constexpr int64_t requests = n * n / 32;
    CHECK(plain.shared_load == sim::Traffic{4 * n * n, requests, 0, 31 * requests});
    CHECK(plain.shared_store == sim::Traffic{4 * n * n, requests, 0, 0});
    CHECK(padded.shared_load == sim::Traffic{4 * n * n, requests, 0, 0});
    CHECK(padded.shared_store == sim::Traffic{4 * n * n, requests, 0, 0});
    CHECK(padded.global_load == sim::Traffic{4 * n * n, requests, 4 * requests, 0});
    CHECK(padded.global_store == sim::Traffic{4 * n * n, requests, 4 * requests, 0});
    CHECK(padded.barriers == 4);

    auto conflicts = [](auto stride, auto zero) {
      using T = decltype(zero);
      Buffer<T> sink(32);
      return counters_of(1, 32,
                         [&] {
                           T* p = shared<T[32 * 32]>();
                           for (int i = static_cast<int>(threadIdx.x); i < 32 * 32; i += 32) p[i] = T{};
                           __syncthreads();
                           sink.data()[threadIdx.x] = p[threadIdx.x * stride];
                         })
          .shared_load.conflicts;
    };
    CHECK(conflicts(1u, 0.0f) == 0);
    CHECK(conflicts(2u, 0.0f) == 1);
    CHECK(conflicts(4u, 0.0f) == 3);
    CHECK(conflicts(32u, 0.0f) == 31);
    CHECK(conflicts(0u, 0.0f) == 0);  // one word for all
    CHECK(conflicts(1u, uint16_t{}) == 0);
    CHECK(conflicts(1u, uint4{}) == 0);
    CHECK(conflicts(2u, uint4{}) == 4);  // each of the four passes takes two
  }

  TEST_CASE("nothing is reported on correct kernels") {
    constexpr int n = 3 * kTile;
    Buffer<float> a(n * n), b(n * n), c(n * n), sums(4);
    Buffer<int> values(5000), counts(64);
    Rng rng(5);
    for (int& v : values.values) v = static_cast<int>(rng.below(64));
    check_silent(reports_of(dim3(3, 3), dim3(kTile, kTile),
                            [&] { tiled_matmul<Mutant::none>(a.data(), b.data(), c.data(), n); }));
    check_silent(reports_of(3, 256, [&] { block_sums<Mutant::none>(a.data(), sums.data(), 700); }));
    check_silent(reports_of(dim3(1, 1), dim3(32, 8), [&] { transpose<1>(a.data(), c.data(), 32); }));
    check_silent(reports_of(7, 128, [&] { histogram<Mutant::none>(values.data(), counts.data(), 5000); }));
  }

  TEST_CASE("each mutant is caught under every schedule") {
    constexpr int n = 3 * kTile;
    Buffer<float> a(n * n), b(n * n), c(n * n), in(700), sums(4);
    Buffer<int> values(5000), counts(64);
    auto matmul = [&](auto kernel) {
      return reports_of(dim3(3, 3), dim3(kTile, kTile), [&] { kernel(a.data(), b.data(), c.data(), n); });
    };
    auto sum = [&](auto kernel) { return reports_of(3, 256, [&] { kernel(in.data(), sums.data(), 700); }); };
    auto count = [&](auto kernel) {
      return reports_of(7, 128, [&] { kernel(values.data(), counts.data(), 5000); });
    };
    check_caught(matmul(tiled_matmul<Mutant::no_barrier>), "shared memory, byte");
    check_caught(sum(block_sums<Mutant::no_barrier>), "race");
    check_caught(sum(block_sums<Mutant::bound>), "outside of every allocation");
    check_caught(sum(block_sums<Mutant::wrong_lane>), "does not take part");
    check_caught(sum(block_sums<Mutant::unwritten>), "shared memory that nobody wrote, byte 32");
    check_caught(sum(block_sums<Mutant::between_blocks>),
                 "global memory, byte 0, in a race with a write of thread 0 of block");
    check_caught(sum(block_sums<Mutant::divergent>), "not all of its threads reach");
    check_caught(count(histogram<Mutant::no_barrier>), "race");
    check_caught(count(histogram<Mutant::between_blocks>), "race");
  }

  TEST_CASE("a warp's own order: __syncwarp orders memory, a shuffle does not") {
    auto neighbour = [](auto meet) {
      return reports_of(1, 64, [=] {
        int* p = shared<int[64]>();
        p[threadIdx.x] = 1;
        meet();
        if (p[threadIdx.x ^ 1] != 1) __trap();
      });
    };
    check_silent(neighbour([] { __syncwarp(); }));
    check_silent(neighbour([] { __syncthreads(); }));
    check_silent(neighbour([] { __syncwarp(threadIdx.x % 32 < 16 ? 0xFFFFu : 0xFFFF0000u); }));
    check_caught(neighbour([] { __shfl_sync(0xFFFFFFFFu, 0, 0); }), "race");
    check_caught(neighbour([] { __syncwarp(threadIdx.x & 1 ? 0xAAAAAAAAu : 0x55555555u); }), "race");
  }

  TEST_CASE("the last block reads what the others published by a fence and an atomic") {
    Buffer<float> partial(5), out(1);
    Buffer<unsigned> arrived(1);
    auto kernel = [&](auto sums) {
      return reports_of(5, 32, [&] { sums(partial.data(), arrived.data(), out.data()); });
    };
    check_silent(kernel(last_block_sums<Mutant::none>));
    CHECK(out.values[0] == 5);
    check_caught(kernel(last_block_sums<Mutant::no_fence>), "global memory");
  }

  TEST_CASE("accesses beside an allocation and beside shared memory") {
    Buffer<float> in(8);
    check_caught(reports_of(1, 1,
                            [&] {
                              if (in.data()[8] == 1) __trap();
                            }),
                 "0 bytes after the end of an allocation of 32 bytes");
    check_caught(reports_of(1, 1,
                            [&] {
                              if (in.data()[-2] == 1) __trap();
                            }),
                 "before");
    check_caught(reports_of(1, 1,
                            [&] {
                              if (shared<float[4]>()[4 * blockDim.x] == 1) __trap();
                            }),
                 "outside of its shared memory");
    auto host = std::make_unique<float>();
    float* p = host.get();
    check_caught(reports_of(1, 1, [&] { *p = 2; }), "outside of every allocation");
    volatile uintptr_t nowhere = uintptr_t{1} << 45;  // ends the launch, not the program
    check_caught(reports_of(2, 64, [&] { *reinterpret_cast<float*>(nowhere) = 2; }),
                 "memory that does not exist");
  }

  TEST_CASE("instructions, with the first request of each") {
    Buffer<float> in(64), out(64);
    sim::Watch watch;
    sim::run("doubled", 1, 16, 0, [&] { out.data()[2 * threadIdx.x] = 2 * in.data()[threadIdx.x]; });
    const auto& list = watch.kernels().at("doubled").instructions;
    REQUIRE(list.size() == 2);
    CHECK(list[0].store != list[1].store);
    for (const auto& instruction : list) {
      CHECK(instruction.bytes == 4);
      CHECK(instruction.traffic.requests == 1);
      for (int lane = 0; lane < 32; ++lane) {
        CHECK(instruction.first[static_cast<size_t>(lane)] ==
              (lane < 16 ? lane * (instruction.store ? 8 : 4) : -1));
      }
    }
  }

  TEST_CASE("GRAFT_SIM_WATCH makes a report an error") {
    Buffer<float> in(700), sums(4);
    auto run = [&](auto kernel) {
      sim::run("block_sums", 3, 256, 0, [&] { kernel(in.data(), sums.data(), 700); });
    };
    run(block_sums<Mutant::between_blocks>);
    setenv("GRAFT_SIM_WATCH", "1", 1);
    check_throws<DeviceError>([&] { run(block_sums<Mutant::between_blocks>); },
                              {"kernel block_sums", "in a race"});
    run(block_sums<Mutant::none>);
    unsetenv("GRAFT_SIM_WATCH");
  }

  TEST_CASE("a tensor on the simulated device: its own bytes and no more, NaN until written") {
    const Device cuda{Device::Type::cuda, 0};
    Tensor x = Tensor::empty({3}, DType::f32, cuda);
    float* p = x.data<float>();
    CHECK(std::isnan(p[2]));
    auto write = [&](unsigned i) { return reports_of(1, 1, [=] { p[i * blockDim.x] = 1; }); };
    check_silent(write(2));
    check_caught(write(3), "0 bytes after the end of an allocation of 12 bytes");
    x = Tensor();
    check_caught(write(2), "outside of every allocation");
  }
}
