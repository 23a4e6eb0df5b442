#include "nn/transformer.h"

#include "tests/support.h"
#include "transfer/certificate.h"
#include "transfer/plan.h"
#include "weights/load.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
using namespace graft::nn;

namespace {

// A language model in small: a table, a layer stored [in, out], and a head that is the table.
struct Tied : Module {
  explicit Tied(uint64_t seed = 1) {
    Init init{seed};
    for (const NamedTensor& t : named_parameters(*this)) init.normal(*t.parameter, t.name, 1);
  }
  void parts(Parts& p) override {
    p("embed", table)("dense", dense)("norm", norm);
    p("head.weight", table.weight)("head.bias", bias);
  }
  Var forward(const Tensor& ids) {  // ids: [B, T]
    Var x = norm.forward(dense.forward(table.forward(ids)));
    return linear(x, table.weight.var, bias.var);  // [B, T, 5]
  }

  Embedding table{5, 4};
  Linear dense{{.in = 4, .out = 4, .bias = false, .published = Published::linear_io}};
  LayerNorm norm{4, 1e-5};
  Parameter bias{Tensor::zeros({5})};
};

std::vector<std::string> names(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> all;
  for (const NamedTensor& t : tensors) all.push_back(t.name);
  return all;
}
std::vector<std::string> names(const weights::Checkpoint& file) {
  std::vector<std::string> all;
  for (const auto& e : file.entries()) all.push_back(e.name);
  return all;
}
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("tied parameters: two names, one parameter") {
  Tied net;
  auto tensors = named_tensors(net);
  CHECK(names(tensors) ==
        Names{"embed.weight", "dense.weight", "norm.weight", "norm.bias", "head.weight", "head.bias"});
  CHECK(tensors[4].tied_to == "embed.weight");
  CHECK(tensors[0].tied_to.empty());
  CHECK(names(named_parameters(net)) ==
        Names{"embed.weight", "dense.weight", "norm.weight", "norm.bias", "head.bias"});
  CHECK(parameter_count(net) == 20 + 16 + 4 + 4 + 5);
  CHECK(trainable_count(net) == 49);
  move_to(net, kCpu);
  CHECK(net.table.weight.var == named_tensors(net)[4].parameter->var);

  // Both uses add to the one gradient.
  Tensor ids = Tensor::from(std::vector<int64_t>{1, 3}, {1, 2});
  backward(sum(multiply(net.forward(ids), Var(random_tensor({1, 2, 5}, 3, DType::f32)))));
  Tensor grad = net.table.weight.var.grad();
  const float* untouched = grad.data<float>();  // row 0 is no input: its gradient is the head's alone
  CHECK(untouched[0] != 0);
}

TEST_CASE("tied parameters: a rule by either name is meant for both, and the plan counts once") {
  for (const char* pattern : {"head.weight", "embed.*"}) {
    Tied net;
    transfer::Plan plan = transfer::plan(net, {{"*", Freeze::trainable}, {pattern, Freeze::frozen}});
    CHECK(names(plan.frozen) == Names{"embed.weight"});
    CHECK(names(plan.moving) == Names{"dense.weight", "norm.weight", "norm.bias", "head.bias"});
    CHECK(plan.parameters == 49);
    CHECK(plan.trainable_parameters == 29);
    CHECK_FALSE(net.table.weight.var.needs_grad());

    transfer::Snapshot snapshot(plan);
    CHECK(snapshot.certify().frozen.size() == 1);
    net.table.weight.var.value().fill(0);
    CHECK(snapshot.certify().broken == Names{"embed.weight"});
  }
  Tied net;
  transfer::Plan plan = transfer::plan(net, {{"*", Freeze::frozen}, {"head.*", Freeze::trainable, 0.1}});
  REQUIRE(plan.groups.size() == 1);
  CHECK(names(plan.groups[0].parameters) == Names{"embed.weight", "head.bias"});
  CHECK(plan.groups[0].lr_scale == 0.1);
}

TEST_CASE("tied parameters and [in, out] matrices: saved as the publisher does, loaded from either form") {
  TempDir folder;
  Tied net(1);
  weights::save(net, folder / "net.safetensors");
  weights::save(net, folder / "net.bin");
  auto once = weights::Checkpoint::open(folder / "net.safetensors");
  auto twice = weights::Checkpoint::open(folder / "net.bin");
  CHECK(once.find("head.weight") == nullptr);
  CHECK(names(twice) == names(named_tensors(net)));
  CHECK(bit_equal(twice.read("head.weight"), net.table.weight.var.value()));
  CHECK(bit_equal(once.read("dense.weight"), net.dense.weight.var.value().transpose(0, 1).clone()));

  for (const weights::Checkpoint& file : {once, twice}) {
    Tied other(2);
    weights::LoadReport report = weights::load(other, file);
    report.require_complete();
    CHECK(report.rows.size() == 6);
    CHECK(bit_equal(other.table.weight.var.value(), net.table.weight.var.value()));
    CHECK(bit_equal(other.dense.weight.var.value(), net.dense.weight.var.value()));
    CHECK(named_tensors(other)[4].parameter == &other.table.weight);
    CHECK(report.ledger().find("[in, out] -> [out, in]") != std::string::npos);
  }
}

TEST_CASE("tied parameters: a file that holds two values for one is refused") {
  TempDir folder;
  Tied net(1);
  auto tensors = weights::published_tensors(net, weights::Tied::each_name);
  for (auto& t : tensors) {
    if (t.name == "head.weight") t.value = random_tensor({5, 4}, 9, DType::f32);
  }
  weights::save_safetensors(folder / "two.safetensors", tensors);
  auto file = weights::Checkpoint::open(folder / "two.safetensors");
  Tied other(2);
  Tensor before = other.table.weight.var.value().clone();
  weights::LoadReport report = weights::load(other, file);
  CHECK_FALSE(report.complete());
  CHECK(report.to_text().find("head.weight [5, 4]") != std::string::npos);
  CHECK(report.to_text().find("differs from embed.weight") != std::string::npos);
  CHECK(bit_equal(other.table.weight.var.value(), before));

  weights::LoadReport waived = weights::load(other, file, {.waive = {"head.weight"}});
  waived.require_complete();
  CHECK(bit_equal(other.table.weight.var.value(), net.table.weight.var.value()));
  REQUIRE(waived.waived.size() == 1);

  // Missing under both names: said once.
  std::erase_if(tensors, [](const auto& t) { return t.name == "head.weight" || t.name == "embed.weight"; });
  weights::save_safetensors(folder / "none.safetensors", tensors);
  report = weights::load(other, weights::Checkpoint::open(folder / "none.safetensors"));
  REQUIRE(report.missing.size() == 1);
  CHECK(report.missing[0].name == "embed.weight");
}

TEST_CASE("layer norm, RMS norm, embedding, linear: modules compute what their ops do") {
  on_every_device([](Device device) {
    Init init{1};
    LayerNorm norm(6, 1e-12);
    RmsNorm rms(6, 1e-6);
    Embedding table(4, 6, 2);
    Linear plain({.in = 6, .out = 3, .bias = false});
    for (auto [p, name] : {std::pair{&norm.weight, "a"},
                           {&norm.bias, "b"},
                           {&rms.weight, "c"},
                           {&table.weight, "d"},
                           {&plain.weight, "e"}}) {
      init.normal(*p, name, 1);
    }
    for (Module* m : std::initializer_list<Module*>{&norm, &rms, &table, &plain}) move_to(*m, device);
    CHECK(names(named_tensors(plain)) == Names{"weight"});
    Tensor ids = Tensor::from(std::vector<int64_t>{2, 0, 3, 2}, {2, 2}).to(device);
    Var x = table.forward(ids);
    CHECK(x.shape() == Shape{2, 2, 6});
    Var y = norm.forward(x), z = rms.forward(x);
    CHECK(
        bit_equal(y.value().to(kCpu), layer_norm(x, norm.weight.var, norm.bias.var, 1e-12).value().to(kCpu)));
    CHECK(bit_equal(z.value().to(kCpu), rms_norm(x, rms.weight.var, 1e-6).value().to(kCpu)));
    Var all = plain.forward(add(y, z), Activation::gelu);
    Tensor apart = gelu(plain.forward(add(y, z))).value().to(kCpu);
    CHECK(max_relative_difference(all.value().to(kCpu), apart) <= 1e-6);
    backward(sum(all));
    Tensor grad = table.weight.var.grad().to(kCpu);
    for (int64_t c = 0; c < 6; ++c) CHECK(grad.data<float>()[2 * 6 + c] == 0);  // the padding row
    CHECK(grad.data<float>()[0] != 0);
  });
}

TEST_CASE("nonlinearities by name; heads apart and together") {
  Tensor x = random_tensor({2, 3, 8}, 1);
  for (auto f : {Nonlinearity::relu, Nonlinearity::gelu, Nonlinearity::gelu_tanh, Nonlinearity::quick_gelu,
                 Nonlinearity::silu, Nonlinearity::tanh}) {
    Linear layer(8, 4, DType::f64);
    Init{1}.normal(layer.weight, "w", 1);
    Tensor apart = apply(f, layer.forward(Var(x))).value();
    CHECK(max_relative_difference(linear_then(layer, f, Var(x)).value(), apart) <= 1e-13);
  }
  CHECK(bit_equal(join_heads(split_heads(Var(x), 4)).value(), x));
  CHECK(split_heads(Var(x), 4).shape() == Shape{2, 3, 4, 2});
  check_throws<Error>([&] { split_heads(Var(x), 3); }, {"split_heads", "[2, 3, 8]", "3 heads"});
  CHECK(bit_equal(positions(2, 3, 5, kCpu), Tensor::from(std::vector<int64_t>{5, 6, 7, 5, 6, 7}, {2, 3})));
}

TEST_CASE("attention mask: lengths where it is padded on the right, an error elsewhere") {
  auto mask = [](std::vector<int64_t> values) {
    auto columns = static_cast<int64_t>(values.size() / 2);
    return Tensor::from(values, {2, columns});
  };
  CHECK_FALSE(lengths_of_mask(mask({1, 1, 1, 1, 1, 1})).defined());
  CHECK(bit_equal(lengths_of_mask(mask({1, 1, 1, 1, 0, 0})), Tensor::from(std::vector<int64_t>{3, 1}, {2})));
  CHECK(bit_equal(lengths_of_mask(mask({0, 0, 1, 1})), Tensor::from(std::vector<int64_t>{0, 2}, {2})));
  CHECK_FALSE(lengths_of_mask(Tensor::zeros({0, 3}, DType::i64)).defined());
  check_throws<DataError>(
      [&] {
        lengths_of_mask(mask({1, 1, 1, 0, 1, 1}));
      },
      {"row 1", "1 at position 1", "after 0 ones", "pad on the right"});
  check_throws<DataError>([&] { lengths_of_mask(mask({1, 0, 1, 1, 1, 1})); }, {"row 0", "position 2"});
  check_throws<DataError>([&] { lengths_of_mask(mask({1, 2, 1, 1})); }, {"row 0", "2 at position 1"});
}
