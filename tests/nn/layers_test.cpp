// Layers and freezing: what train() may touch and what it may not.
#include "nn/layers.h"

#include <cmath>
#include <type_traits>

#include "tests/support.h"

using namespace graft;
using namespace graft::nn;
using graft::test::random_tensor;

namespace {

// Convolution, batch norm, another convolution; named as in a checkpoint.
struct Net : Module {
  Net() {
    Init init{5};
    for_each_layer<nn::Conv2d>(*this, [&](const std::string& name, nn::Conv2d& layer) {
      init.kaiming_normal_fan_out(layer.weight, name + ".weight");
    });
  }
  void parts(Parts& p) override { p("conv", conv)("bn", bn)("tail", tail); }
  Var forward(const Var& x) { return tail.forward(relu(bn.forward(conv.forward(x)))); }

  nn::Conv2d conv{{.in = 3, .out = 4, .size = 3, .padding = 1, .bias = false}};
  BatchNorm2d bn{4};
  nn::Conv2d tail{{.in = 4, .out = 2, .size = 1}};
};

std::vector<Tensor> copies(Module& module, const std::string& prefix) {
  std::vector<Tensor> all;
  for (const NamedTensor& t : named_tensors(module)) {
    if (t.name.rfind(prefix, 0) == 0) all.push_back(t.value().clone());
  }
  return all;
}

void freeze(Module& module, const std::string& prefix, Freeze state) {
  for (const NamedTensor& t : named_tensors(module)) {
    if (t.name.rfind(prefix, 0) == 0) t.set_freeze(state);
  }
}

// One step of plain gradient descent with weight decay on everything that is trainable.
void step(Net& net, uint64_t seed) {
  backward(mean(relu(net.forward(Var(random_tensor({2, 5, 5, 3}, seed, DType::f32))))));
  for (const NamedTensor& t : named_parameters(net)) {
    if (t.freeze() != Freeze::trainable) continue;
    Tensor grad = t.parameter->var.grad();
    REQUIRE(grad.defined());
    std::span<float> w = t.value().span<float>(), g = grad.contiguous().span<float>();
    for (size_t i = 0; i < w.size(); ++i) w[i] -= 0.01f * (g[i] + 1e-3f * w[i]);
    t.parameter->var.clear_grad();
  }
}

}  // namespace

static_assert(!std::is_copy_constructible_v<nn::Conv2d> && !std::is_copy_assignable_v<nn::Conv2d>,
              "a copied layer would share its parameters");
static_assert(std::is_move_constructible_v<nn::Conv2d> && std::is_move_assignable_v<Linear>);

TEST_CASE("a frozen batch norm is bit-equal after 1,000 training steps") {
  Net net;
  freeze(net, "bn", Freeze::frozen);
  for (int i = 0; i < 20; ++i) {
    net.bn.running_mean.value.data<float>()[i % 4] = 0.1f * static_cast<float>(i);
  }
  std::vector<Tensor> before = copies(net, "bn"), tail_before = copies(net, "tail");
  for (uint64_t i = 0; i < 1000; ++i) {
    net.train();
    step(net, i);
  }
  std::vector<Tensor> after = copies(net, "bn"), tail_after = copies(net, "tail");
  REQUIRE(before.size() == 5);
  for (size_t i = 0; i < before.size(); ++i) CHECK(bit_equal(before[i], after[i]));
  CHECK_FALSE(bit_equal(tail_before[0], tail_after[0]));
}

TEST_CASE("a frozen batch norm computes with its running statistics in training mode too") {
  Net net;
  net.bn.running_mean.value.fill(0.5);
  Var x(random_tensor({2, 5, 5, 3}, 1, DType::f32));
  NoGrad no_grad;
  Tensor evaluated = net.forward(x).value();
  freeze(net, "bn", Freeze::frozen);
  net.train();
  CHECK(bit_equal(net.forward(x).value(), evaluated));
  freeze(net, "bn", Freeze::trainable);
  CHECK_FALSE(bit_equal(net.forward(x).value(), evaluated));
}

TEST_CASE("train() cannot thaw, and freezing does not change the mode") {
  Net net;
  freeze(net, "", Freeze::frozen);
  CHECK_FALSE(net.training());
  net.train();
  CHECK(net.bn.training());
  net.eval();
  net.train();
  for (const NamedTensor& t : named_parameters(net)) {
    CHECK(t.freeze() == Freeze::frozen);
    CHECK_FALSE(t.parameter->var.needs_grad());
  }
  CHECK(trainable_count(net) == 0);
  CHECK_FALSE(net.forward(Var(random_tensor({2, 5, 5, 3}, 1, DType::f32))).needs_grad());
}

TEST_CASE("a frozen part passes gradients on but collects none") {
  Net net;
  freeze(net, "bn", Freeze::frozen);
  freeze(net, "tail", Freeze::frozen);
  net.train();
  backward(mean(net.forward(Var(random_tensor({2, 5, 5, 3}, 1, DType::f32)))));
  CHECK(net.conv.weight.var.grad().defined());
  CHECK_FALSE(net.bn.weight.var.grad().defined());
  CHECK_FALSE(net.tail.weight.var.grad().defined());
}

TEST_CASE("which freeze states keep the running statistics") {
  struct Case {
    Freeze parameters, statistics;
    bool keeps;
  };
  const Case cases[] = {{Freeze::trainable, Freeze::trainable, false},
                        {Freeze::frozen, Freeze::frozen, true},
                        {Freeze::trainable, Freeze::frozen, true},
                        {Freeze::frozen, Freeze::trainable, true},  // frozen in weight only must not drift
                        {Freeze::frozen_adapt_stats, Freeze::frozen_adapt_stats, false},
                        {Freeze::frozen, Freeze::frozen_adapt_stats, false}};
  for (const Case& c : cases) {
    CAPTURE(std::string(to_text(c.parameters)));
    CAPTURE(std::string(to_text(c.statistics)));
    BatchNorm2d bn(3);
    for (const NamedTensor& t : named_tensors(bn)) t.set_freeze(t.parameter ? c.parameters : c.statistics);
    CHECK(bn.keeps_statistics());  // evaluation mode always does
    bn.train();
    CHECK(bn.keeps_statistics() == c.keeps);
    std::vector<Tensor> before = copies(bn, "");
    bn.forward(Var(random_tensor({2, 3, 3, 3}, 1, DType::f32)));
    std::vector<Tensor> after = copies(bn, "");
    CHECK(bit_equal(before[2], after[2]) == c.keeps);  // running_mean
    CHECK(bit_equal(before[3], after[3]) == c.keeps);  // running_var
    CHECK(after[4].item() == (c.keeps ? 0 : 1));       // num_batches_tracked
  }
}

TEST_CASE("adapting statistics follow the batches while weights stay") {
  BatchNorm2d bn(2);
  freeze(bn, "", Freeze::frozen_adapt_stats);
  bn.train();
  Tensor x = Tensor::full({4, 3, 3, 2}, 3);
  for (int i = 0; i < 200; ++i) bn.forward(Var(x));
  CHECK(bn.running_mean.value.data<float>()[1] == doctest::Approx(3));
  CHECK(bn.num_batches_tracked.value.item() == 200);
  CHECK(bit_equal(bn.weight.var.value(), Tensor::full({2}, 1)));
}

TEST_CASE("tensors are named in the checkpoint's order") {
  Net net;
  std::vector<std::string> names;
  for (const NamedTensor& t : named_tensors(net)) names.push_back(t.name);
  CHECK(names == std::vector<std::string>{"conv.weight", "bn.weight", "bn.bias", "bn.running_mean",
                                          "bn.running_var", "bn.num_batches_tracked", "tail.weight",
                                          "tail.bias"});
  CHECK(net.bn.num_batches_tracked.value.dtype() == DType::i64);
  CHECK(parameter_count(net) == 3 * 3 * 3 * 4 + 8 + 8 + 2);
}

TEST_CASE("a module list numbers its modules and keeps them apart") {
  ModuleList<Linear> list;
  for (int i = 0; i < 3; ++i) list.emplace(2, 2);
  auto tensors = named_tensors(list);
  REQUIRE(tensors.size() == 6);
  CHECK(tensors[4].name == "2.weight");
  list[0].weight.var.value().fill(7);
  CHECK(list[1].weight.var.value().data<float>()[0] == 0);
  ModuleList<Linear> moved = std::move(list);
  CHECK(named_tensors(moved)[0].parameter == &moved[0].weight);
}

TEST_CASE("an observer sees every layer's output under its name, while it lives") {
  Net net;
  Var x(random_tensor({1, 4, 4, 3}, 1, DType::f32));
  std::vector<std::string> names;
  {
    Observing observing(
        net, [&](const std::string& name, const Tensor& y) { names.push_back(str(name, " ", y.shape())); });
    net.forward(x);
  }
  net.forward(x);
  CHECK(names == std::vector<std::string>{"conv [1, 4, 4, 4]", "bn [1, 4, 4, 4]", "tail [1, 4, 4, 2]"});
}

TEST_CASE("the fused step equals convolution, batch norm, sum and activation one by one") {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (Activation activation : {Activation::none, Activation::relu, Activation::relu6}) {
      for (bool with_residual : {false, true}) {
        nn::Conv2d conv({.in = 5, .out = 7, .size = 3, .stride = 2, .padding = 1, .bias = false}, dtype);
        BatchNorm2d bn(7, dtype);
        Init{3}.kaiming_normal_fan_in(conv.weight, "conv.weight");
        Init{3}.normal(bn.weight, "bn.weight", 2);
        Init{3}.normal(bn.bias, "bn.bias", 3);
        bn.running_mean.value = random_tensor({7}, 4, dtype);
        Var x(random_tensor({2, 9, 6, 5}, 5, dtype));
        Var residual = with_residual ? Var(random_tensor({2, 5, 3, 7}, 6, dtype)) : Var();
        Tensor step_by_step =
            conv_bn(conv, bn, activation, x, residual).value();  // the weights want gradients
        NoGrad no_grad;
        Tensor fused = conv_bn(conv, bn, activation, x, residual).value();
        CHECK(test::max_relative_difference(fused, step_by_step) <= (dtype == DType::f32 ? 1e-5 : 1e-13));

        nn::Conv2d biased({.in = 5, .out = 7, .size = 1}, dtype);
        Init{3}.kaiming_uniform(biased.weight, "biased.weight");
        Init{3}.normal(biased.bias, "biased.bias", 1);
        fused = conv_act(biased, activation, x).value();
        step_by_step = activate(biased.forward(x), activation).value();
        CHECK(test::max_relative_difference(fused, step_by_step) <= (dtype == DType::f32 ? 1e-5 : 1e-13));
      }
    }
  }
}

TEST_CASE("the fused step is not taken where a gradient is wanted") {
  nn::Conv2d conv({.in = 2, .out = 2, .size = 1, .bias = false});
  BatchNorm2d bn(2);
  Var x(random_tensor({1, 2, 2, 2}, 1, DType::f32), true);
  freeze(conv, "", Freeze::frozen);
  freeze(bn, "", Freeze::frozen);
  backward(sum(conv_bn(conv, bn, Activation::relu, x)));
  CHECK(x.grad().defined());
  bn.bias.set_freeze(Freeze::trainable);
  backward(sum(conv_bn(conv, bn, Activation::none, x.detach())));
  CHECK(bn.bias.var.grad().defined());
}

TEST_CASE("dropout draws a new mask each time in training mode only") {
  Dropout dropout(0.5, 3), again(0.5, 3);
  Var x(Tensor::full({100}, 1));
  CHECK(bit_equal(dropout.forward(x).value(), x.value()));
  CHECK(dropout.draws() == 0);
  dropout.train();
  again.train();
  Tensor first = dropout.forward(x).value(), second = dropout.forward(x).value();
  CHECK_FALSE(bit_equal(first, second));
  CHECK(bit_equal(again.forward(x).value(), first));
  again.set_draws(1);
  CHECK(bit_equal(again.forward(x).value(), second));
  dropout.set_p(0);
  CHECK(bit_equal(dropout.forward(x).value(), x.value()));
  test::check_throws<UsageError>([&] { dropout.set_p(1); }, {"1", "[0, 1)"});
}

TEST_CASE("starting values depend on seed and name only, and have the spread that is asked for") {
  Parameter a(Tensor::zeros({64, 3, 3, 32})), b(Tensor::zeros({64, 3, 3, 32}));
  Init{1}.kaiming_normal_fan_out(a, "conv1.weight");
  Init{1}.kaiming_normal_fan_out(b, "conv1.weight");
  CHECK(bit_equal(a.var.value(), b.var.value()));
  Init{1}.kaiming_normal_fan_out(b, "conv2.weight");
  CHECK_FALSE(bit_equal(a.var.value(), b.var.value()));
  Init{2}.kaiming_normal_fan_out(b, "conv1.weight");
  CHECK_FALSE(bit_equal(a.var.value(), b.var.value()));

  auto spread = [](const Parameter& p) {
    double mean = 0, square = 0;
    for (float v : p.var.value().span<float>()) mean += v, square += double{v} * v;
    auto n = static_cast<double>(p.var.value().numel());
    return std::sqrt(square / n - mean / n * (mean / n));
  };
  CHECK(spread(a) == doctest::Approx(std::sqrt(2.0 / (64 * 9))).epsilon(0.02));
  Init{1}.kaiming_normal_fan_in(a, "w");
  CHECK(spread(a) == doctest::Approx(std::sqrt(2.0 / (32 * 9))).epsilon(0.02));
  Init{1}.kaiming_uniform(a, "w");  // a uniform distribution within b has a standard deviation of b / sqrt(3)
  CHECK(spread(a) == doctest::Approx(std::sqrt(2.0 / (32 * 9))).epsilon(0.02));
  for (float v : a.var.value().span<float>()) CHECK_UNARY(std::abs(v) <= std::sqrt(6.0f / (32 * 9)));
}
