// What is easily got wrong about a family of networks, got wrong on purpose: the comparison with the
// reference must see each of them.
#include "nn/models/efficientnet.h"
#include "nn/models/vgg.h"
#include "tests/nn/narrow.h"
#include "tests/nn/parity.h"
#include "tests/support.h"
#include "weights/load.h"

using namespace graft;
using namespace graft::nn;
using weights::Checkpoint;

namespace {

constexpr double kBar = 1e-5;

Checkpoint golden(const std::string& name) {
  return Checkpoint::open(str(test::source_dir(), "/tests/golden/models/", name, ".pth"));
}

// How far the logits are from the reference's.
double distance(Classifier& network, const std::string& weights, const std::string& reference,
                const std::function<void()>& wrong = {}) {
  weights::load(network, golden(weights)).require_complete();
  if (wrong) wrong();
  return test::compare(network, golden(reference + "-golden")).logits.value;
}

double distance_of(const EfficientNetConfig& config) {
  EfficientNet network(config, 7);
  bool timm = config.names == EfficientNetConfig::Names::timm;
  std::string name = timm ? "tf_efficientnet" : "efficientnet";
  return distance(network, name + "-zip", name);
}

}  // namespace

TEST_CASE("traps: VGG's first dense layer reads its map channel by channel") {
  Vgg right(test::narrow_vgg(false), 7), wrong(test::narrow_vgg(false), 7);
  CHECK(distance(right, "vgg-zip", "vgg") <= kBar);
  CHECK(distance(wrong, "vgg-zip", "vgg", [&] {
          Tensor as_in_file = golden("vgg-zip").read("classifier.0.weight");
          wrong.hidden1.weight.var.value().copy_from(as_in_file);
        }) > 100 * kBar);
}

TEST_CASE("traps: EfficientNet's epsilon, padding, and squeeze and excitation") {
  EfficientNetConfig torchvision = test::narrow_efficientnet(false), timm = test::narrow_efficientnet(true);
  CHECK(distance_of(torchvision) <= kBar);
  CHECK(distance_of(timm) <= kBar);

  EfficientNetConfig wrong = timm;
  wrong.norm.eps = 1e-5;  // as torchvision's B0 to B4
  CHECK(distance_of(wrong) > 10 * kBar);
  wrong = timm;
  wrong.same_padding = false;
  CHECK(distance_of(wrong) > 100 * kBar);
  wrong = torchvision;
  wrong.norm.eps = 1e-3;  // as B5 to B7
  CHECK(distance_of(wrong) > 10 * kBar);
  wrong = torchvision;
  wrong.same_padding = true;
  CHECK(distance_of(wrong) > 100 * kBar);

  EfficientNet network(torchvision, 7);
  CHECK(distance(network, "efficientnet-zip", "efficientnet", [&] {
          MbConv& block = network.rows[1][0];
          block.excite.weight.var.value().fill(0);  // every channel weighted alike
          block.excite.bias.var.value().fill(30);   // by 1
        }) > 100 * kBar);
}

TEST_CASE("EfficientNet: stochastic depth drops a block's branch for whole pictures, in training only") {
  MbConvRow row{2, 3, 1, 8, 8, 1};
  EfficientNetConfig config;
  MbConv sure(row, 8, 8, 1, 0, 1, config, DType::f32), drops(row, 8, 8, 1, 0.5, 1, config, DType::f32);
  auto from = named_tensors(sure), to = named_tensors(drops);
  for (size_t i = 0; i < from.size(); ++i) {
    if (is_float(from[i].value().dtype()))
      from[i].value().copy_from(test::random_tensor(from[i].value().shape(), 10 + i, DType::f32));
    if (from[i].name.ends_with("running_var")) from[i].value().fill(1);
    to[i].value().copy_from(from[i].value());
  }
  constexpr int64_t kPictures = 40;
  Tensor one = test::random_tensor({1, 4, 4, 8}, 3, DType::f32), x = Tensor::empty({kPictures, 4, 4, 8});
  for (int64_t i = 0; i < kPictures; ++i) x.slice(0, i, i + 1).copy_from(one);
  CHECK(bit_equal(sure.forward(Var(x)).value(), drops.forward(Var(x)).value()));

  for (MbConv* block : {&sure, &drops}) {
    block->train();
    for_each_layer<BatchNorm2d>(*block, [](const std::string&, BatchNorm2d& bn) {
      bn.running_mean.freeze = bn.running_var.freeze = Freeze::frozen;
    });
  }
  Tensor branch = sure.forward(Var(x)).value(), y = drops.forward(Var(x)).value();
  int64_t kept = 0;
  for (int64_t i = 0; i < kPictures; ++i) {
    Tensor whole = y.slice(0, i, i + 1).contiguous(), usual = branch.slice(0, i, i + 1).contiguous();
    Tensor doubled = usual.empty_like();  // x + 2 (block(x) - x)
    for (int64_t k = 0; k < one.numel(); ++k)
      doubled.data<float>()[k] = 2 * usual.data<float>()[k] - one.data<float>()[k];
    bool is_kept = test::max_relative_difference(whole, doubled) < 1e-5;
    CHECK(is_kept != (test::max_relative_difference(whole, one) < 1e-5));
    kept += is_kept;
  }
  CHECK(kept > 8);
  CHECK(kept < 32);
}
