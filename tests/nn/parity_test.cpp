// Narrow variants of every network against torchvision: outputs of all blocks, logits, loss, all gradients,
// statistics.
#include "tests/nn/parity.h"

#include "nn/models/cifar_resnet.h"
#include "nn/models/mobilenet_v2.h"
#include "nn/models/resnet.h"
#include "nn/models/squeezenet.h"
#include "tests/nn/narrow.h"
#include "tests/support.h"
#include "weights/load.h"

using namespace graft;
using namespace graft::nn;
using graft::test::Parity;
using weights::Checkpoint;

namespace {

std::string golden_file(const std::string& name) {
  return str(test::source_dir(), "/tests/golden/models/", name, ".pth");
}

SqueezeNetConfig narrow(SqueezeNetConfig config, int64_t divisor) {
  config.stem_width /= divisor;
  for (int64_t& width : config.squeeze) width /= divisor;
  for (int64_t& width : config.expand) width /= divisor;
  return config;
}

struct Case {
  const char* weights;
  const char* golden;
  std::function<std::unique_ptr<Classifier>(DType)> make;
};

std::vector<Case> cases() {
  auto resnet = [](ResNetConfig config) {
    return [config](DType dtype) { return std::make_unique<ResNet>(config, 7, 1, dtype); };
  };
  auto cifar = [](DType dtype) {
    return std::make_unique<CifarResNet>(CifarResNetConfig{{2, 4, 8}, {2, 1, 1}}, 10, 1, dtype);
  };
  auto squeezenet = [](SqueezeNetConfig config) {
    return [config](DType dtype) { return std::make_unique<SqueezeNet>(narrow(config, 16), 7, 1, dtype); };
  };
  auto mobilenet = [](DType dtype) {
    MobileNetV2Config config{0.1, 32, {{1, 80, 1, 1}, {3, 80, 2, 2}, {3, 160, 1, 2}}};
    return std::make_unique<MobileNetV2>(config, 7, 1, dtype);
  };
  auto vgg = [](bool batch_norm) {
    return [config = test::narrow_vgg(batch_norm)](DType dtype) {
      return std::make_unique<Vgg>(config, 7, 1, dtype);
    };
  };
  auto efficientnet = [](bool timm) {
    return [config = test::narrow_efficientnet(timm)](DType dtype) {
      return std::make_unique<EfficientNet>(config, 7, 1, dtype);
    };
  };
  return {{"resnet-basic-zip", "resnet-basic", resnet({false, {1, 1, 1, 1}, 2})},
          {"resnet-bottleneck-legacy", "resnet-bottleneck", resnet({true, {1, 1, 1, 1}, 2})},
          {"cifar_resnet-zip", "cifar_resnet", cifar},
          {"cifar_resnet-legacy", "cifar_resnet", cifar},
          {"mobilenet_v2-zip", "mobilenet_v2", mobilenet},
          {"squeezenet1_0-legacy", "squeezenet1_0", squeezenet(kSqueezeNet1_0)},
          {"squeezenet1_1-zip", "squeezenet1_1", squeezenet(kSqueezeNet1_1)},
          {"vgg-zip", "vgg", vgg(false)},
          {"vgg_bn-legacy", "vgg_bn", vgg(true)},
          {"efficientnet-zip", "efficientnet", efficientnet(false)},
          {"tf_efficientnet-zip", "tf_efficientnet", efficientnet(true)}};
}

void check_parity(Classifier& network, const std::string& golden) {
  Parity p = test::compare(network, Checkpoint::open(golden_file(golden + "-golden")));
  CHECK_MESSAGE(p.logits.value <= 1e-5, p.logits.name << ": " << p.logits.value);
  CHECK_MESSAGE(p.block.value <= 1e-5, p.block.name << ": " << p.block.value);
  CHECK_MESSAGE(p.gradient.value <= 1e-4, p.gradient.name << ": " << p.gradient.value);
  CHECK_MESSAGE(p.train_logits.value <= 1e-5, p.train_logits.name << ": " << p.train_logits.value);
  CHECK_MESSAGE(p.train_gradient.value <= 1e-4, p.train_gradient.name << ": " << p.train_gradient.value);
  CHECK_MESSAGE(p.statistics.value <= 1e-5, p.statistics.name << ": " << p.statistics.value);
}

}  // namespace

TEST_CASE("networks equal torchvision's: blocks, logits, gradients, statistics") {
  for (const Case& c : cases()) {
    CAPTURE(c.weights);
    std::unique_ptr<Classifier> network = c.make(DType::f32);
    weights::load(*network, Checkpoint::open(golden_file(c.weights))).require_complete();
    check_parity(*network, c.golden);
  }
}

TEST_CASE("networks in f64 equal torchvision's") {
  for (const Case& c : cases()) {
    CAPTURE(c.weights);
    std::unique_ptr<Classifier> network = c.make(DType::f32), wide = c.make(DType::f64);
    weights::load(*network, Checkpoint::open(golden_file(c.weights))).require_complete();
    auto from = named_tensors(*network), to = named_tensors(*wide);
    REQUIRE(from.size() == to.size());
    for (size_t i = 0; i < from.size(); ++i)
      to[i].set_value(from[i].value().clone().to(to[i].value().dtype()));
    check_parity(*wide, c.golden);
  }
}

TEST_CASE("tensors have the published names, in the published order") {
  for (const Case& c : cases()) {
    CAPTURE(c.weights);
    std::unique_ptr<Classifier> network = c.make(DType::f32);
    Checkpoint published = Checkpoint::open(golden_file(c.weights));
    std::vector<std::string> ours, theirs;
    for (const NamedTensor& t : named_tensors(*network)) ours.push_back(t.name);
    for (const weights::Entry& entry : published.entries()) theirs.push_back(entry.name);
    CHECK(ours == theirs);
  }
}
