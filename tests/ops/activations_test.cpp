// The smooth activations of the unary family.
#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "tests/golden.h"

using namespace graft;
using namespace graft::test;

namespace {

struct Function {
  std::string name;
  Var (*apply)(const Var&);
};
const std::vector<Function> kFunctions = {
    {"gelu", gelu}, {"gelu_tanh", gelu_tanh}, {"quick_gelu", quick_gelu},
    {"silu", silu}, {"sigmoid", sigmoid},     {"tanh", graft::tanh}};

}  // namespace

TEST_CASE("activations: PyTorch's values and slopes, from -100 to 100") {
  Golden golden("ops.json");
  on_every_device([&](Device device) {
    for (DType dtype : float_types(device)) {
      for (const auto& [name, apply] : kFunctions) {
        INFO(name << " " << std::string(to_text(dtype)));
        // Eighths are bf16 numbers too.
        Var x(golden.tensor("activation.x", dtype).to(device), true), y = apply(x);
        backward(y, Tensor::full(y.shape(), 1, dtype, device));
        Tensor value = y.value().to(kCpu).to(DType::f64), slope = x.grad().to(kCpu).to(DType::f64);
        Tensor expected_value = golden.tensor(str("activation.", name, ".y"));
        Tensor expected_slope = golden.tensor(str("activation.", name, ".slope"));
        double bar = dtype == DType::f64 ? 1e-14 : dtype == DType::f32 ? 5e-7 : 0x1p-8;
        for (int64_t i = 0; i < value.numel(); ++i) {
          double v = value.data<double>()[i], s = slope.data<double>()[i];
          double ev = expected_value.data<double>()[i], es = expected_slope.data<double>()[i];
          CHECK(std::abs(v - ev) <= bar * std::max(1.0, std::abs(ev)));
          // bf16 slopes of sigmoid and tanh are told from a rounded output.
          CHECK(std::abs(s - es) <= 2 * bar * std::max(1.0, std::abs(es)));
        }
      }
    }
  });
}

TEST_CASE("activations: gradient") {
  on_every_cpu_level([] {
    Tensor x = random_tensor({3, 7}, 2);
    for (const auto& [name, apply] : kFunctions) {
      INFO(name);
      check_gradients([apply = apply](const std::vector<Var>& v) { return apply(v[0]); }, {x});
    }
  });
}

TEST_CASE("activations: every device agrees, any size") {
  for (Shape shape : {Shape{0}, Shape{1}, Shape{7}, Shape{3, 1001}}) {
    for (const auto& [name, apply] : kFunctions) {
      INFO(name);
      check_devices_agree([apply = apply](const std::vector<Var>& v) { return apply(v[0]); },
                          {random_tensor(shape, 3)});
    }
  }
}

TEST_CASE("activations: a NaN is not hidden, the far ends are finite") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (const auto& [name, apply] : kFunctions) {
        INFO(name << " " << std::string(to_text(dtype)));
        Var x(Tensor::from<double>(std::vector<double>{-1e8, 1e8}, {2}).to(dtype).to(device), true);
        Var y = apply(x);
        backward(y, Tensor::full({2}, 1, dtype, device));
        bool grows = name != "sigmoid" && name != "tanh";
        Tensor value = y.value().to(kCpu).to(DType::f64), slope = x.grad().to(kCpu).to(DType::f64);
        CHECK(value.data<double>()[0] == (name == "tanh" ? -1 : 0));
        CHECK(value.data<double>()[1] == (grows ? x.value().to(kCpu).to(DType::f64).data<double>()[1] : 1));
        CHECK(slope.data<double>()[0] == 0);
        CHECK(slope.data<double>()[1] == (grows ? 1 : 0));
        Tensor nan = Tensor::full({3}, std::numeric_limits<double>::quiet_NaN(), dtype, device);
        Tensor still = apply(Var(nan)).value().to(kCpu).to(DType::f64);
        for (double v : still.span<double>()) CHECK(std::isnan(v));
      }
    }
  });
}

TEST_CASE("activations: the same for any thread count; errors") {
  check_same_for_any_threads([] {
    std::vector<Tensor> out;
    for (const auto& [name, apply] : kFunctions) {
      Var x(random_tensor({100003}, 1, DType::f32), true), y = apply(x);
      backward(y, random_tensor({100003}, 2, DType::f32));
      out.insert(out.end(), {y.value(), x.grad()});
    }
    return out;
  });
  for (const auto& [name, apply] : kFunctions) {
    check_throws<Error>([apply = apply] { apply(Var(Tensor::zeros({2}, DType::i64))); },
                        {name, "f32 or f64", "i64"});
  }
}

TEST_CASE("exp: values and slopes, far ends, NaN, every device, gradient") {
  on_every_device([](Device device) {
    for (DType dtype : float_types(device)) {
      for (int64_t n : {0, 1, 7, 1001}) {
        Var x(random_tensor({n}, 4).to(dtype).to(device), true), y = graft::exp(x);
        Tensor dy = random_tensor({n}, 5).to(dtype);
        backward(y, dy.to(device));
        Tensor from = x.value().to(kCpu).to(DType::f64), slopes = dy.to(DType::f64);
        Tensor value = y.value().to(kCpu).to(DType::f64), slope = x.grad().to(kCpu).to(DType::f64);
        double bar = dtype == DType::f64 ? 1e-14 : dtype == DType::f32 ? 5e-7 : 0x1p-8;
        for (int64_t i = 0; i < n; ++i) {
          double expected = std::exp(from.data<double>()[i]);
          CHECK(std::abs(value.data<double>()[i] - expected) <= bar * expected);
          CHECK(std::abs(slope.data<double>()[i] - expected * slopes.data<double>()[i]) <=
                2 * bar * std::abs(expected * slopes.data<double>()[i]));
        }
      }
      Tensor ends = Tensor::from<double>(std::vector<double>{-1e4, 0, 1e4, NAN}, {4}).to(dtype).to(device);
      Tensor y = graft::exp(Var(ends)).value().to(kCpu).to(DType::f64);
      CHECK(y.data<double>()[0] == 0);
      CHECK(y.data<double>()[1] == 1);
      CHECK(y.data<double>()[2] == std::numeric_limits<double>::infinity());
      CHECK(std::isnan(y.data<double>()[3]));
    }
  });
  auto apply = [](const std::vector<Var>& v) { return graft::exp(v[0]); };
  check_gradients(apply, {random_tensor({3, 7}, 2)});
  check_gradients(apply, {random_tensor({}, 2)});
  check_devices_agree(apply, {random_tensor({3, 1001}, 3)});
  check_throws<Error>([] { graft::exp(Var(Tensor::zeros({2}, DType::i64))); }, {"exp", "f32 or f64", "i64"});
}
