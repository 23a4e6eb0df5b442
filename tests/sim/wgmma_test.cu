// wgmma: every shape and layout that graft uses against a plain product, and what goes wrong without its
// fences and waits.
#include "core/rng.h"
#include "kernels/cuda/ptx_wgmma.cuh"
#include "tests/sim/kernels.h"
#include "tests/sim/watched.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;
namespace ptx = graft::kernels::cuda::ptx;
using kernels::cuda::Swizzle;
using kernels::cuda::TensorMap;
using ptx::Major;

namespace {

enum class Broken {
  none,
  no_proxy_fence,
  fence_after_barrier,
  no_fence,
  fence_too_early,
  no_commit,
  no_wait,
  read_early,
  write_early,
  overwritten,
  wait_one_short,
  three_warps,
  warps_disagree,
  stride,
  swizzle,
  base,
  beyond,
};

constexpr int kDepth = 64;

// Where element (line, k) of an operand lies in shared memory, in elements: as TMA would put it.
template <Major kMajor>
__device__ int place(int line, int k) {
  const int row = kMajor == Major::depth ? line : line / 64 * kDepth + k;
  const int column = kMajor == Major::depth ? k : line % 64;
  return row * 64 + ((column / 8 ^ row % 8) * 8 + column % 8);
}

// The operands, aligned as the swizzle asks for.
template <int kCols>
struct Operands {
  __nv_bfloat16 a[64 * kDepth], b[kCols * kDepth];
  static __device__ Operands& get() {
    char* memory = kernels::cuda::dynamic_shared<char>();
    return *reinterpret_cast<Operands*>(memory + (1024 - reinterpret_cast<uintptr_t>(memory) % 1024) % 1024);
  }
  static constexpr size_t kBytes = 1024 + 2 * kDepth * (64 + kCols);
};

template <Broken kBroken, Major kMajor>
__device__ uint64_t descriptor(const void* operand) {
  uint64_t made = ptx::matrix_descriptor(operand, kDepth * 128);
  if (kBroken == Broken::stride) made ^= uint64_t{(1024 ^ 512) / 16} << 32;
  if (kBroken == Broken::swizzle) made &= ~(uint64_t{3} << 62);
  if (kBroken == Broken::base) made += 128 / 16;
  if (kBroken == Broken::beyond) made += 64 * 1024 / 16;
  return made;
}

template <int kCols, Major kA, Major kB, Broken kBroken>
__device__ void multiply(const Operands<kCols>& operands, float (&sums)[kCols / 2]) {
  const uint64_t a = descriptor<kBroken, kA>(operands.a), b = descriptor<Broken::none, kB>(operands.b);
  if (kBroken != Broken::no_fence) ptx::wgmma_fence(sums);
  if (kBroken == Broken::fence_too_early) sums[1] = 0;
  for (int k = 0; k < kDepth; k += 16) {
    const bool skip = kBroken == Broken::warps_disagree && threadIdx.x / 32 == 2;
    ptx::wgmma<kCols, kA, kB>(sums, ptx::from_depth<kA>(a, k), ptx::from_depth<kB>(b, skip ? 0 : k), k > 0);
  }
  if (kBroken != Broken::no_commit) ptx::wgmma_commit();
}

// c [64, kCols] = a b^T by one warpgroup, out of operands that the threads wrote to shared memory themselves.
// a is [64, kDepth], or [kDepth, 64] with Major::lines; b likewise.
template <int kCols, Major kA, Major kB, Broken kBroken>
__global__ void product(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c) {
  auto& operands = Operands<kCols>::get();
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < 64 * kDepth; i += 128) {
    operands.a[place<kA>(i / kDepth, i % kDepth)] = a[kA == Major::depth ? i : i % kDepth * 64 + i / kDepth];
  }
  for (int i = thread; i < kCols * kDepth; i += 128) {
    operands.b[place<kB>(i / kDepth, i % kDepth)] =
        b[kB == Major::depth ? i : i % kDepth * kCols + i / kDepth];
  }
  if (kBroken != Broken::no_proxy_fence && kBroken != Broken::fence_after_barrier) ptx::fence_proxy_async();
  __syncthreads();  // all have written, and fenced what they wrote
  if (kBroken == Broken::fence_after_barrier) ptx::fence_proxy_async();
  if (kBroken == Broken::three_warps && thread >= 96) return;

  float sums[kCols / 2];
  multiply<kCols, kA, kB, kBroken>(operands, sums);
  if (kBroken == Broken::overwritten) operands.b[thread] = __nv_bfloat16(0.0f);
  if (kBroken == Broken::write_early) sums[3] = 0;
  if (kBroken == Broken::read_early && sums[2] == 1e30f) return;
  if (kBroken == Broken::wait_one_short) {
    ptx::wgmma_wait<1>(sums);
  } else if (kBroken != Broken::no_wait) {
    ptx::wgmma_wait<0>(sums);
  }
  const int row = thread / 32 * 16 + thread % 32 / 4, col = thread % 4 * 2;
  for (int i = 0; i < kCols / 2; ++i) {
    c[(row + i / 2 % 2 * 8) * kCols + i / 4 * 8 + col + i % 2] = sums[i];
  }
}

template <int kCols, Major kA = Major::depth, Major kB = Major::depth>
struct Case {
  Buffer<__nv_bfloat16> a{64 * kDepth}, b{static_cast<size_t>(kCols) * kDepth};
  Buffer<float> c{static_cast<size_t>(kCols) * 64};
  Case() {
    Rng rng(5);
    for (auto& v : a.values) v = __nv_bfloat16(static_cast<float>(rng.normal()));
    for (auto& v : b.values) v = __nv_bfloat16(static_cast<float>(rng.normal()));
  }
  template <Broken kBroken = Broken::none>
  std::vector<std::string> reports() {
    return reports_of(
        1, 128, [&] { product<kCols, kA, kB, kBroken>(a.data(), b.data(), c.data()); },
        Operands<kCols>::kBytes);
  }
  template <Broken kBroken>
  void run() {
    sim::run("product", 1, 128, Operands<kCols>::kBytes,
             [&] { product<kCols, kA, kB, kBroken>(a.data(), b.data(), c.data()); });
  }
  // The largest difference to the same sums in double.
  double error() const {
    double most = 0;
    for (size_t r = 0; r < 64; ++r) {
      for (size_t n = 0; n < kCols; ++n) {
        double sum = 0;
        for (size_t k = 0; k < kDepth; ++k) {
          sum += double(float(a.values[kA == Major::depth ? r * kDepth + k : k * 64 + r])) *
                 float(b.values[kB == Major::depth ? n * kDepth + k : k * kCols + n]);
        }
        double difference = std::abs(sum - c.values[r * kCols + n]);
        most = difference <= most ? most : difference;  // NaN counts
      }
    }
    return most;
  }
};

template <int kCols, Major kA, Major kB>
void check_product() {
  CAPTURE(kCols);
  CAPTURE(int(kA));
  CAPTURE(int(kB));
  Case<kCols, kA, kB> c;
  check_silent(c.reports());
  CHECK(c.error() < 1e-4);  // sums of 64 terms of about 1, in float
}

template <int kCols>
void check_layouts() {
  check_product<kCols, Major::depth, Major::depth>();
  check_product<kCols, Major::depth, Major::lines>();
  check_product<kCols, Major::lines, Major::depth>();
  check_product<kCols, Major::lines, Major::lines>();
}

}  // namespace

TEST_CASE("wgmma: every shape and layout against a plain product") {
  check_layouts<64>();
  check_layouts<128>();
  check_layouts<256>();
}

TEST_CASE("wgmma mutants: what is told without a Watch too") {
  Case<64> c;
  auto stopped = [&](auto broken, const char* part) {
    check_throws<DeviceError>([&] { c.run<decltype(broken)::value>(); },
                              {"kernel product, block (0, 0, 0)", part});
  };
#define BROKEN(name) \
  std::integral_constant<Broken, Broken::name> {}
  stopped(BROKEN(no_fence), "no wgmma_fence since this thread touched the sums");
  stopped(BROKEN(no_commit), "not committed");
  stopped(BROKEN(no_wait), "nobody waits for");
  stopped(BROKEN(wait_one_short), "nobody waits for");
  stopped(BROKEN(write_early), "sums[3] of a wgmma were written before wgmma_wait");
  stopped(BROKEN(three_warps), "not all warps");
  stopped(BROKEN(warps_disagree), "disagree on the operands");
  stopped(BROKEN(swizzle), "128-byte swizzle");
  stopped(BROKEN(base), "repeats every 1024 bytes");
  stopped(BROKEN(beyond), "outside of the kernel's shared memory");
#undef BROKEN
  // Operands are read, and sums are there, as late as allowed.
  if (sim::kWatchBuilt) {  // the real ThreadSanitizer would report the race, and rightly
    c.run<Broken::overwritten>();
    CHECK(c.error() > 1e-2);
  }
  c.run<Broken::stride>();
  CHECK(c.error() > 1e-2);
  c.run<Broken::none>();
  CHECK(c.error() < 1e-4);
}

TEST_CASE("wgmma: fewer than four whole warps") {
  Case<64> c;
  for (unsigned threads : {96u, 120u}) {
    auto run = [&] {
      sim::run("product", 1, threads, Operands<64>::kBytes, [&] {
        product<64, Major::depth, Major::depth, Broken::none>(c.a.data(), c.b.data(), c.c.data());
      });
    };
    check_throws<DeviceError>(run, {"warps 0 to 3", "fewer than 128 threads"});
  }
}

TEST_SUITE("wgmma watched" * doctest::skip(!sim::kWatchBuilt)) {
  TEST_CASE("wgmma mutants: what a Watch sees") {
    Case<64> c;
    check_caught(c.reports<Broken::no_proxy_fence>(), "wrote without a fence_proxy_async after it");
    check_caught(c.reports<Broken::fence_after_barrier>(), "wrote without a fence_proxy_async after it");
    check_caught(c.reports<Broken::fence_too_early>(), "no wgmma_fence since this thread touched the sums");
    check_caught(c.reports<Broken::no_commit>(), "a read of sums[0] of a wgmma that is not committed");
    check_caught(c.reports<Broken::no_wait>(), "a read of sums[0] of a wgmma before its wgmma_wait");
    check_caught(c.reports<Broken::wait_one_short>(), "of a wgmma before its wgmma_wait");
    check_caught(c.reports<Broken::read_early>(), "a read of sums[2] of a wgmma before its wgmma_wait");
    check_caught(c.reports<Broken::write_early>(), "a write of sums[3] of a wgmma before its wgmma_wait");
    check_caught(c.reports<Broken::overwritten>(), "still reads: wgmma_wait comes first");
    check_caught(c.reports<Broken::no_proxy_fence>(), "kernel kernel, block (0, 0, 0), thread (");
  }
}
