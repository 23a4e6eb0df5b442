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

void on_every_device(const std::function<void(Device)>& f) {
  on_every_cpu_level([&] { f(kCpu); });
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    INFO("device " << to_text(device));
    f(device);
  }
}

std::vector<DType> float_types(Device device) {
  return {DType::f32, device.is_cuda() ? DType::bf16 : DType::f64};
}

double tolerance(DType t) {
  switch (t) {
    case DType::f64: return 1e-13;
    case DType::f32: return 1e-5;
    case DType::bf16: return 0x1p-7;  // two roundings
    default: FAIL("no tolerance for " << std::string(to_text(t))); return 0;
  }
}

namespace {

// The value of f and the gradients of its inputs, as f64 on the CPU.
std::vector<Tensor> values_and_gradients(const std::function<Var(const std::vector<Var>&)>& f,
                                         const std::vector<Tensor>& inputs, bool gradients) {
  std::vector<Var> vars;
  for (const Tensor& t : inputs) vars.emplace_back(t, gradients && is_float(t.dtype()));
  Var y = f(vars);
  std::vector<Tensor> out = {y.value().to(kCpu).to(DType::f64)};
  if (!gradients) return out;
  // Small whole numbers and halves, which bf16 can hold: the weight must be the same in every type.
  Tensor weight = random_tensor(y.shape(), 77);
  for (double& w : weight.span<double>()) w = std::round(4 * w) / 4;
  backward(y, weight.to(y.value().dtype()).to(y.value().device()));
  for (const Var& v : vars) {
    if (!v.needs_grad()) continue;
    REQUIRE(v.grad().defined());
    out.push_back(v.grad().to(kCpu).to(DType::f64));
  }
  return out;
}

}  // namespace

void check_devices_agree(const std::function<Var(const std::vector<Var>&)>& f,
                         const std::vector<Tensor>& inputs, Agreement how) {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    for (DType dtype : float_types(device)) {
      INFO("device " << to_text(device) << " " << std::string(to_text(dtype)));
      std::vector<Tensor> there, here;
      for (const Tensor& t : inputs) {
        Tensor rounded = is_float(t.dtype()) ? t.to(dtype) : t;
        there.push_back(rounded.to(device));
        here.push_back(is_float(t.dtype()) ? rounded.to(DType::f64) : t);
      }
      std::vector<Tensor> got = values_and_gradients(f, there, how.gradients);
      std::vector<Tensor> expected = values_and_gradients(f, here, how.gradients);
      REQUIRE(got.size() == expected.size());
      for (size_t i = 0; i < got.size(); ++i) {
        double difference = max_relative_difference(got[i], expected[i]);
        CHECK_MESSAGE(difference <= how.looser * tolerance(dtype),
                      (i == 0 ? std::string("value") : str("gradient ", i - 1))
                          << " differs by " << difference);
      }
    }
  }
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
