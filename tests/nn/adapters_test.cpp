// LoRA's two ways, beside a layer and by moving its weight, are one function with one gradient, and which is
// taken follows from shapes.
#include "nn/adapters.h"

#include "nn/layers.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

using LinearWay = nn::LowRank<nn::Linear>::Way;
using ConvWay = nn::LowRank<nn::Conv2d>::Way;

// Parameters with values of their own; those of `layer` frozen, those of its adapter not.
template <class Layer>
void fill(Layer& layer, uint64_t seed) {
  for (const nn::NamedTensor& t : nn::named_parameters(layer)) {
    t.set_value(random_tensor(t.value().shape(), seed++, t.value().dtype()));
    bool adapts = t.name.starts_with("adapter.");
    t.set_freeze(adapts ? nn::Freeze::trainable : nn::Freeze::frozen);
  }
}

template <class Layer, class Config>
Layer adapted(const Config& config, typename nn::LowRank<Layer>::Config how, DType dtype) {
  Layer layer(config, dtype);
  layer.adapter = std::make_unique<nn::LowRank<Layer>>(layer, how);
  fill(layer, 11);
  return layer;
}

struct Outcome {
  Tensor y, dx;
  std::vector<Tensor> gradients;  // of the factors
};

template <class Layer>
Outcome outcome(Layer& layer, const Tensor& input) {
  for (const nn::NamedTensor& t : nn::named_parameters(layer)) t.parameter->var.clear_grad();
  Var x(input, true), y = layer.forward(x);
  backward(y, random_tensor(y.shape(), 99, input.dtype()));
  Outcome out{y.value(), x.grad(), {}};
  for (const nn::NamedTensor& t : nn::named_parameters(layer)) {
    CAPTURE(t.name);
    bool adapts = t.name.starts_with("adapter.");
    CHECK(t.parameter->var.grad().defined() == adapts);
    if (adapts) out.gradients.push_back(t.parameter->var.grad());
  }
  return out;
}

// Both ways give the same values and gradients to rounding; the moved weight's are those of differences.
template <class Layer, class Config>
void check_ways(const Config& config, const Shape& input, int64_t rank) {
  using LowRank = nn::LowRank<Layer>;
  typename LowRank::Config how{.rank = rank, .scale = 0.7};
  for (DType dtype : {DType::f64, DType::f32}) {
    how.way = LowRank::Way::beside;
    Layer beside = adapted<Layer>(config, how, dtype);
    how.way = LowRank::Way::moved;
    Layer moved = adapted<Layer>(config, how, dtype);
    Tensor x = random_tensor(input, 5, dtype);
    Outcome a = outcome(beside, x), b = outcome(moved, x);
    double allowed = 10 * tolerance(dtype);
    CHECK(max_relative_difference(a.y, b.y) <= allowed);
    CHECK(max_relative_difference(a.dx, b.dx) <= allowed);
    REQUIRE(a.gradients.size() == 2);
    for (size_t i = 0; i < 2; ++i) CHECK(max_relative_difference(a.gradients[i], b.gradients[i]) <= allowed);
    check_same_for_any_threads([&] { return outcome(moved, x).gradients; });
  }
  how.way = LowRank::Way::moved;
  Layer layer = adapted<Layer>(config, how, DType::f64);
  auto* low_rank = dynamic_cast<LowRank*>(layer.adapter.get());
  check_gradients(
      [&](const std::vector<Var>& in) {
        low_rank->down.weight.var = in[1];
        low_rank->up.weight.var = in[2];
        return layer.forward(in[0]);
      },
      {random_tensor(input, 5), low_rank->down.weight.var.value(), low_rank->up.weight.var.value()});
}

}  // namespace

TEST_CASE("LoRA: the moved weight gives the values and gradients of the update beside the layer") {
  for (int64_t rank : {1, 3}) {
    CAPTURE(rank);
    for (int64_t rows : {1, 5}) {
      check_ways<nn::Linear>(nn::Linear::Config{.in = 7, .out = 4}, {rows, 7}, rank);
      check_ways<nn::Linear>(nn::Linear::Config{.in = 1, .out = 5, .bias = false}, {2, rows, 1}, rank);
    }
    nn::Conv2d::Config wide{.in = 3, .out = 5, .size = 3, .stride = 2, .padding = 1, .bias = false};
    nn::Conv2d::Config pointwise{.in = 4, .out = 1, .size = 1};
    check_ways<nn::Conv2d>(wide, {2, 6, 5, 3}, rank);
    check_ways<nn::Conv2d>(wide, {1, 1, 1, 3}, rank);
    check_ways<nn::Conv2d>(pointwise, {2, 3, 3, 4}, rank);
  }
  // No rows: nothing to compute, and gradients of zeros.
  for (auto way : {LinearWay::beside, LinearWay::moved}) {
    auto layer =
        adapted<nn::Linear>(nn::Linear::Config{.in = 7, .out = 4}, {.rank = 2, .way = way}, DType::f32);
    Outcome none = outcome(layer, Tensor::empty({0, 7}, DType::f32));
    CHECK(none.y.shape() == Shape{0, 4});
    for (const Tensor& g : none.gradients) CHECK(bit_equal(g, Tensor::zeros(g.shape(), g.dtype())));
  }
}

TEST_CASE("LoRA: both ways agree on every device, and bf16 stays beside") {
  on_every_device([&](Device device) {
    for (auto way : {ConvWay::beside, ConvWay::moved}) {
      nn::Conv2d::Config config{.in = 5, .out = 6, .size = 3, .padding = 1};
      auto layer = adapted<nn::Conv2d>(config, {.rank = 2, .way = way}, DType::f32);
      Tensor x = random_tensor({2, 5, 4, 5}, 5, DType::f32);
      Outcome on_cpu = outcome(layer, x);
      nn::move_to(layer, device);
      Var there(x.to(device), true), y = layer.forward(there);
      backward(y, random_tensor(y.shape(), 99, DType::f32).to(device));
      CHECK(max_relative_difference(y.value().to(kCpu), on_cpu.y) <= 1e-5);
      CHECK(max_relative_difference(there.grad().to(kCpu), on_cpu.dx) <= 1e-5);
      size_t i = 0;
      for (const nn::NamedTensor& t : nn::named_parameters(layer)) {
        if (!t.name.starts_with("adapter.")) continue;
        CHECK(max_relative_difference(t.parameter->var.grad().to(kCpu), on_cpu.gradients[i++]) <= 1e-5);
      }
      CHECK(i == 2);
      CHECK(!layer.adapter->moved_weight(layer.weight.var, DType::bf16).defined());
    }
  });
}

TEST_CASE("LoRA: which way is taken follows from shapes, and dropout stays beside") {
  // window, channels, outputs, rank: of MobileNetV2, ResNet-18 and BERT.
  CHECK(nn::moving_is_cheaper(1, 32, 16, 8));
  CHECK(nn::moving_is_cheaper(1, 64, 384, 8));
  CHECK(nn::moving_is_cheaper(49, 3, 64, 8));
  CHECK(!nn::moving_is_cheaper(1, 960, 320, 8));
  CHECK(nn::moving_is_cheaper(1, 960, 320, 64));
  CHECK(!nn::moving_is_cheaper(9, 128, 128, 8));
  CHECK(!nn::moving_is_cheaper(1, 768, 768, 8));
  for (int64_t width : {8, 800}) {
    nn::Linear::Config config{.in = width, .out = width};
    auto is_moved = [&](nn::LowRank<nn::Linear>::Config how) {
      auto layer = adapted<nn::Linear>(config, how, DType::f32);
      return layer.adapter->moved_weight(layer.weight.var, DType::f32).defined();
    };
    CHECK(is_moved({.rank = 2}) == (width == 8));
    CHECK(is_moved({.rank = 2, .way = LinearWay::moved}));
    CHECK(!is_moved({.rank = 2, .way = LinearWay::beside}));
    CHECK(!is_moved({.rank = 2, .dropout = 0.1, .way = LinearWay::moved}));
  }
}

TEST_CASE("LoRA: a moved weight keeps nothing of the map but what the layer itself keeps") {
  auto kept = [](ConvWay way) {
    auto layer = adapted<nn::Conv2d>(nn::Conv2d::Config{.in = 8, .out = 16, .size = 1, .bias = false},
                                     {.rank = 4, .way = way}, DType::f32);
    Var x(random_tensor({1, 50, 50, 8}, 5, DType::f32), true);
    int64_t before = memory_use().current;
    Var y = layer.forward(x);
    return memory_use().current - before - y.value().bytes();
  };
  int64_t factors = 16 * 4 * 4, weight = 16 * 8 * 4;  // bytes: B scaled, and the moved weight
  CHECK(kept(ConvWay::moved) == factors + weight);
  CHECK(kept(ConvWay::beside) == 50 * 50 * 4 * 4);
}

TEST_CASE("LoRA: prediction by a moved weight is that of the merged network, to the bit") {
  nn::ConvBn block({.in = 3, .out = 6, .size = 3, .padding = 1}, Activation::relu6, DType::f32);
  nn::Linear dense({.in = 6, .out = 4});
  block.conv.adapter = std::make_unique<nn::LowRank<nn::Conv2d>>(
      block.conv, nn::LowRank<nn::Conv2d>::Config{.rank = 2, .way = ConvWay::moved});
  dense.adapter = std::make_unique<nn::LowRank<nn::Linear>>(
      dense, nn::LowRank<nn::Linear>::Config{.rank = 2, .way = LinearWay::moved});
  fill(block.conv, 3);
  fill(dense, 8);
  block.eval();
  NoGrad no_grad;
  Var x(random_tensor({2, 5, 5, 3}, 1, DType::f32));
  auto run = [&] { return dense.forward(global_avg_pool(block.forward(x)), Activation::gelu).value(); };
  Tensor adapted_result = run();
  auto merge = [](auto& layer, auto& low_rank) {
    layer.weight.var.set_value(add(layer.weight.var, Var(low_rank.weight_update())).value());
    layer.adapter.reset();
  };
  merge(block.conv, dynamic_cast<nn::LowRank<nn::Conv2d>&>(*block.conv.adapter));
  merge(dense, dynamic_cast<nn::LowRank<nn::Linear>&>(*dense.adapter));
  CHECK(bit_equal(run(), adapted_result));
}
