// Memory-bound operations of a convolutional network's training step next to a plain copy of the same size on
// the same threads: bytes/s counts what each must read and write once, so the ratio to `copy` is the share of
// the bound reached.
//
//   norm_bench [--json FILE] [Google Benchmark's options]
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "kernels/batch_norm.h"
#include "kernels/max_pool2d.h"
#include "kernels/optimizer.h"
#include "kernels/unary.h"

namespace {

using namespace graft;

Tensor random_tensor(const Shape& shape, uint64_t seed) {
  Tensor t = Tensor::empty(shape);
  Rng rng(seed);
  for (float& v : t.span<float>()) v = rng.uniform() * 4 - 1;
  return t;
}

// What a layer of MobileNetV2 (at batch 32) or ResNet sees.
struct Case {
  explicit Case(const benchmark::State& state)
      : rows(state.range(0)),
        channels(state.range(1)),
        x(random_tensor({rows, channels}, 1)),
        dy(random_tensor({rows, channels}, 2)),
        y(x.zeros_like()),
        dx(x.zeros_like()),
        mean(Tensor::zeros({channels})),
        variance(Tensor::zeros({channels})),
        inverse(Tensor::zeros({channels})),
        weight(random_tensor({channels}, 3)),
        bias(random_tensor({channels}, 4)),
        dweight(Tensor::zeros({channels})),
        dbias(Tensor::zeros({channels})) {}

  void forward() {
    kernels::channel_statistics(x, mean, variance);
    kernels::inverse_deviation(variance, 1e-5, inverse);
    kernels::batch_norm(x, mean, inverse, weight, bias, {}, y);
  }
  void backward() {
    kernels::batch_norm_grad_parameters(x, {dy}, mean, inverse, dweight, dbias);
    kernels::batch_norm_grad_input(x, {dy}, mean, inverse, weight, dweight, dbias, dx);
  }
  // The first and the last channel against sums in double.
  void check() {
    forward();
    for (int64_t c : {int64_t{0}, channels - 1}) {
      double sum = 0, squares = 0, n = static_cast<double>(rows);
      for (int64_t r = 0; r < rows; ++r) sum += x.data<float>()[r * channels + c];
      for (int64_t r = 0; r < rows; ++r) squares += std::pow(x.data<float>()[r * channels + c] - sum / n, 2);
      double expected =
          (x.data<float>()[c] - sum / n) / std::sqrt(squares / n + 1e-5) * weight.data<float>()[c] +
          bias.data<float>()[c];
      GRAFT_CHECK(std::abs(y.data<float>()[c] - expected) < 1e-5, "norm_bench: channel ", c, " is ",
                  y.data<float>()[c], ", expected ", expected);
    }
  }

  int64_t rows, channels;
  Tensor x, dy, y, dx, mean, variance, inverse, weight, bias, dweight, dbias;
};

// `passes`: how many times the tensor is read or written.
template <class F>
void measure(benchmark::State& state, int64_t passes, F f) {
  Case c(state);
  c.check();
  c.backward();
  for (auto _ : state) f(c);
  state.SetBytesProcessed(state.iterations() * passes * c.x.bytes());
}

void copy(benchmark::State& state) {
  measure(state, 2, [](Case& c) {
    parallel_for(c.x.numel(), 65536, [&](int64_t begin, int64_t end) {
      std::memcpy(c.y.data<float>() + begin, c.x.data<float>() + begin,
                  static_cast<size_t>(end - begin) * sizeof(float));
    });
  });
}
void batch_norm_forward(benchmark::State& state) {
  measure(state, 3, [](Case& c) { c.forward(); });
}
void batch_norm_statistics(benchmark::State& state) {
  measure(state, 1, [](Case& c) { kernels::channel_statistics(c.x, c.mean, c.variance); });
}
void batch_norm_backward(benchmark::State& state) {
  measure(state, 5, [](Case& c) { c.backward(); });
}
void relu6(benchmark::State& state) {
  measure(state, 2, [](Case& c) { kernels::relu6(c.x, c.y); });
}
void relu6_grad(benchmark::State& state) {
  measure(state, 3, [](Case& c) { kernels::relu6_grad(c.x, c.dy, c.dx); });
}
void adamw(benchmark::State& state) {
  measure(state, 7, [](Case& c) {
    kernels::AdamStep s;
    s.decoupled = true;
    s.parameters = {{c.x, c.dy, c.dx, c.y}};
    s.lr = 0;
    s.beta2 = 1;  // the values stay as they are, however many iterations run
    kernels::adam_step(s);
  });
}

// ResNet's only pooling: 3 x 3, stride 2.
void max_pool(benchmark::State& state) {
  Tensor x = random_tensor({16, 112, 112, 64}, 1), y = Tensor::zeros({16, 56, 56, 64});
  Tensor where = Tensor::zeros(y.shape(), DType::u8), dx = x.zeros_like();
  for (auto _ : state) {
    kernels::max_pool2d(x, 3, 2, 1, y, where);
    if (state.range(0)) kernels::max_pool2d_grad(y, where, 3, 2, 1, dx);
  }
  state.SetBytesProcessed(state.iterations() * (state.range(0) ? 2 : 1) *
                          (x.bytes() + y.bytes() + where.bytes()));
}

void shapes(benchmark::internal::Benchmark* b) {
  for (auto [rows, channels] : {std::pair<int64_t, int64_t>{32 * 112 * 112, 32},
                                {32 * 56 * 56, 24},
                                {32 * 56 * 56, 144},
                                {32 * 28 * 28, 192},
                                {32 * 14 * 14, 576},
                                {32 * 7 * 7, 1280},
                                {128 * 32 * 32, 16}}) {
    b->Args({rows, channels});
  }
  b->UseRealTime();
}

BENCHMARK(copy)->Apply(shapes);
BENCHMARK(batch_norm_statistics)->Apply(shapes);
BENCHMARK(batch_norm_forward)->Apply(shapes);
BENCHMARK(batch_norm_backward)->Apply(shapes);
BENCHMARK(relu6)->Apply(shapes);
BENCHMARK(relu6_grad)->Apply(shapes);
BENCHMARK(adamw)->Args({1000, 3500})->UseRealTime();
BENCHMARK(max_pool)->Arg(0)->Arg(1)->ArgName("backward")->UseRealTime();

}  // namespace

// --json FILE is the other benchmarks' way to say --benchmark_out.
int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv, argv + argc);
  for (size_t i = 1; i + 1 < arguments.size(); ++i) {
    if (arguments[i] != "--json") continue;
    arguments[i] = "--benchmark_out=" + arguments[i + 1];
    arguments[i + 1] = "--benchmark_out_format=json";
  }
  std::vector<char*> given;
  for (std::string& a : arguments) given.push_back(a.data());
  int count = static_cast<int>(given.size());
  benchmark::Initialize(&count, given.data());
  if (benchmark::ReportUnrecognizedArguments(count, given.data())) return 64;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
