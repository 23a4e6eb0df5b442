// Climbs the ladder of the matrix product. In a simulator build: what each rung asks of the memory, counted
// exactly. On a GPU: how fast it is.
//
//   ladder [ROWS COLS DEPTH]     unset: 256 x 256 x 256 in the simulator, 4096 x 4096 x 4096 on a GPU
//   ladder --markdown            the table of bench/ladder/gemm/README.md
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

#include "bench/ladder/gemm/rungs.h"
#include "core/accelerator.h"
#include "core/error.h"
#include "core/rng.h"
#ifdef GRAFT_SIM
#include "kernels/cuda/sim/watch.h"
#endif

using namespace graft;

namespace {

constexpr Device kDevice{Device::Type::cuda, 0};

struct Product {
  int64_t rows, cols, depth;
  double flops() const { return 2.0 * static_cast<double>(rows) * static_cast<double>(cols * depth); }
};

Tensor numbers(const Shape& shape, DType dtype, uint64_t seed) {
  Tensor t = Tensor::empty(shape);
  Rng rng(seed);
  for (float& v : t.span<float>()) v = static_cast<float>(rng.normal());
  return t.to(dtype).to(kDevice);
}

// Refuses to report on a rung whose result is wrong: against sums in double, at some places spread over c.
void require_right(const ladder::Rung& rung, const Tensor& a, const Tensor& b, const Tensor& c) {
  Tensor left = a.to(kCpu).to(DType::f32), right = b.to(kCpu).to(DType::f32), got = c.to(kCpu).to(DType::f32);
  int64_t depth = a.dim(1), cols = b.dim(1), count = got.numel();
  double allowed = (rung.dtype == DType::bf16 ? 0.02 : 1e-4) * std::sqrt(static_cast<double>(depth));
  for (int64_t i = 0; i < 1000; ++i) {
    int64_t at = i * 7919 % count, row = at / cols, col = at % cols;
    double sum = 0;
    for (int64_t k = 0; k < depth; ++k)
      sum += double{left.data<float>()[row * depth + k]} * right.data<float>()[k * cols + col];
    double difference = std::abs(got.data<float>()[at] - sum);
    GRAFT_CHECK(difference <= allowed, rung.file, ": element ", row, ", ", col, " is ", difference, " off");
  }
}

#ifdef GRAFT_SIM
double ratio(int64_t a, int64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

void head(bool markdown) {
  if (markdown) {
    std::printf(
        "| rung | idea | type | global memory read, MB | sectors a request | shared loads, thousands | bank "
        "conflicts, thousands | barriers |\n"
        "|---|---|---|---|---|---|---|---|\n");
    return;
  }
  std::printf("%-26s %-5s %12s %9s %12s %12s %9s  %s\n", "rung", "type", "read, MB", "sectors", "shared, k",
              "conflicts, k", "barriers", "idea");
}

void measure(const ladder::Rung& rung, const Tensor& a, const Tensor& b, const Tensor& c, bool markdown) {
  sim::Watch watch;
  ladder::multiply(rung, a, b, c);
  for (const std::string& report : watch.reports()) fail(rung.file, ": ", report);
  sim::Counters n = watch.kernels().at(rung.kernel).counters;
  const char* form = markdown ? "| `%s` | %s | %s | %.2f | %.1f | %.1f | %.1f | %lld |\n"
                              : "%-26s %.0s%-5s %12.2f %9.1f %12.1f %12.1f %9lld";
  std::printf(form, rung.file, rung.idea, std::string(to_text(rung.dtype)).c_str(),
              static_cast<double>(n.global_load.bytes + n.bulk_bytes) * 1e-6,
              ratio(n.global_load.sectors, n.global_load.requests),
              static_cast<double>(n.shared_load.requests) * 1e-3,
              static_cast<double>(n.shared_load.conflicts + n.shared_store.conflicts) * 1e-3,
              static_cast<long long>(n.barriers));
  if (!markdown) std::printf("  %s\n", rung.idea);
}
#else
void head(bool markdown) {
  std::printf(markdown ? "| rung | idea | type | TFLOP/s |\n|---|---|---|---|\n" : "%-26s %-5s %9s  idea\n",
              "rung", "type", "TFLOP/s");
}

// The best of several series, each long enough for the clock.
void measure(const ladder::Rung& rung, const Tensor& a, const Tensor& b, const Tensor& c, bool markdown) {
  using Clock = std::chrono::steady_clock;
  ladder::multiply(rung, a, b, c);
  synchronize(kDevice);
  double best = 1e30;
  for (int series = 0; series < 5; ++series) {
    auto start = Clock::now();
    constexpr int kLaunches = 10;
    for (int i = 0; i < kLaunches; ++i) ladder::multiply(rung, a, b, c);
    synchronize(kDevice);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count() / kLaunches);
  }
  Product p{a.dim(0), b.dim(1), a.dim(1)};
  std::printf(markdown ? "| `%s` | %s | %s | %.2f |\n" : "%-26s %.0s%-5s %9.2f", rung.file, rung.idea,
              std::string(to_text(rung.dtype)).c_str(), p.flops() / best * 1e-12);
  if (!markdown) std::printf("  %s\n", rung.idea);
}
#endif

int64_t number(const char* text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  GRAFT_CHECK_AS(UsageError, error == std::errc() && *end == 0 && value > 0, "ladder: ", printable(text),
                 ": a size is expected");
  return value;
}

int run(int argc, char** argv) {
  bool markdown = argc == 2 && std::strcmp(argv[1], "--markdown") == 0;
#ifdef GRAFT_SIM
  Product size{256, 256, 256};
#else
  Product size{4096, 4096, 4096};
#endif
  if (argc == 4) {
    size = {number(argv[1]), number(argv[2]), number(argv[3])};
  } else {
    GRAFT_CHECK_AS(UsageError, argc == 1 || markdown, "usage: ladder [ROWS COLS DEPTH | --markdown]");
  }
  head(markdown);
  for (const ladder::Rung& rung : ladder::gemm_rungs()) {
    Tensor a = numbers({size.rows, size.depth}, rung.dtype, 1),
           b = numbers({size.depth, size.cols}, rung.dtype, 2);
    Tensor c = Tensor::empty({size.rows, size.cols}, rung.dtype, kDevice);
    ladder::multiply(rung, a, b, c);
    require_right(rung, a, b, c);
    measure(rung, a, b, c, markdown);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return e.exit_code();
  }
}
