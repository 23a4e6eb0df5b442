#include "tests/support.h"

#include <cmath>
#include <filesystem>
#include <limits>

#include "autograd/ops.h"
#include "core/parallel.h"

namespace graft::test {

double max_relative_difference(const Tensor& a, const Tensor& b) {
  double infinity = std::numeric_limits<double>::infinity();
  if (!(a.shape() == b.shape())) return infinity;
  Tensor x = a.to(DType::f64).contiguous(), y = b.to(DType::f64).contiguous();
  double difference = 0, largest = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    double p = x.data<double>()[i], q = y.data<double>()[i];
    if (!std::isfinite(p) || !std::isfinite(q)) return infinity;
    difference = std::max(difference, std::abs(p - q));
    largest = std::max(largest, std::abs(q));
  }
  if (difference == 0) return 0;
  return largest == 0 ? infinity : difference / largest;
}

Tensor random_tensor(const Shape& shape, uint64_t seed, DType dtype) {
  Tensor t = Tensor::empty(shape, DType::f64);
  Rng rng(seed);
  for (double& v : t.span<double>()) v = rng.normal();
  return t.to(dtype);
}

void check_gradients(const std::function<Var(const std::vector<Var>&)>& f,
                     const std::vector<Tensor>& inputs) {
  std::vector<Var> vars;
  for (const Tensor& t : inputs) vars.emplace_back(t.to(DType::f64).clone(), true);
  Var y = f(vars);
  Tensor weight = random_tensor(y.shape(), 77);
  auto weighted = [&](const Tensor& out) {
    double total = 0;
    Tensor o = out.contiguous();
    for (int64_t i = 0; i < o.numel(); ++i) total += o.data<double>()[i] * weight.data<double>()[i];
    return total;
  };
  backward(y, weight);

  NoGrad no_grad;
  constexpr double eps = 1e-6;
  for (size_t k = 0; k < vars.size(); ++k) {
    Tensor grad = vars[k].grad();
    REQUIRE_MESSAGE(grad.defined(), "input " << k << " got no gradient");
    grad = grad.contiguous();
    double* x = vars[k].value().data<double>();
    for (int64_t i = 0; i < grad.numel(); ++i) {
      double kept = x[i];
      x[i] = kept + eps;
      double up = weighted(f(vars).value());
      x[i] = kept - eps;
      double down = weighted(f(vars).value());
      x[i] = kept;
      double numeric = (up - down) / (2 * eps), analytic = grad.data<double>()[i];
      // Central differences lose about 1e-16 * |sum| / eps to rounding, which is far below atol here.
      CHECK_MESSAGE(
          std::abs(numeric - analytic) <= 1e-7 + 1e-5 * std::abs(numeric),
          "input " << k << " element " << i << ": analytic " << analytic << ", numeric " << numeric);
    }
  }
}

void on_every_cpu_level(const std::function<void()>& f) {
  kernels::CpuLevel before = kernels::cpu_level();
  for (kernels::CpuLevel level : kernels::cpu_levels()) {
    INFO("CPU level " << std::string(to_text(level)));
    kernels::set_cpu_level(level);
    f();
  }
  kernels::set_cpu_level(before);
}

void check_same_for_any_threads(const std::function<std::vector<Tensor>()>& f) {
  int before = threads();
  set_threads(1);
  std::vector<Tensor> expected = f();
  for (int count : {2, 4}) {
    set_threads(count);
    std::vector<Tensor> got = f();
    REQUIRE(got.size() == expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      CHECK_MESSAGE(bit_equal(got[i], expected[i]),
                    "tensor " << i << " differs between 1 and " << count << " threads");
    }
  }
  set_threads(before);
}

std::string source_dir() {
  return GRAFT_SOURCE;
}

std::string program() {
#ifdef GRAFT_PROGRAM
  return GRAFT_PROGRAM;
#else
  return "";
#endif
}

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "graft-test-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace graft::test
