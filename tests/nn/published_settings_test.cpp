// What belongs to published weights and to no tensor of theirs: batch norm's epsilon and momentum, the size
// of the pictures, the filter that resizes them, the constants that normalise them, rounded channel counts.
// The values are those of torchvision 0.14.1 (weights IMAGENET1K_V1) and of timm 0.6.13.
#include "nn/models/mobilenet_v2.h"
#include "nn/models/registry.h"
#include "tests/support.h"
#include "transfer/source.h"

using namespace graft;
using namespace graft::nn;

namespace {

struct Settings {
  const char* name;
  int64_t resize, crop;
  bool bicubic;
  double eps, momentum;  // 0: has no batch norm
};
constexpr double kUsual = 1e-5, kTensorFlow = 1e-3;
constexpr Settings kPublished[] = {{"resnet18", 256, 224, false, kUsual, 0.1},
                                   {"resnet50", 256, 224, false, kUsual, 0.1},
                                   {"vgg16", 256, 224, false, 0, 0},
                                   {"vgg16_bn", 256, 224, false, kUsual, 0.1},
                                   {"mobilenet_v2", 256, 224, false, kUsual, 0.1},
                                   {"squeezenet1_0", 256, 224, false, 0, 0},
                                   {"efficientnet_b0", 256, 224, true, kUsual, 0.1},
                                   {"efficientnet_b1", 256, 240, true, kUsual, 0.1},
                                   {"efficientnet_b2", 288, 288, true, kUsual, 0.1},
                                   {"efficientnet_b3", 320, 300, true, kUsual, 0.1},
                                   {"efficientnet_b4", 384, 380, true, kUsual, 0.1},
                                   {"efficientnet_b5", 456, 456, true, kTensorFlow, 0.01},
                                   {"efficientnet_b6", 528, 528, true, kTensorFlow, 0.01},
                                   {"efficientnet_b7", 600, 600, true, kTensorFlow, 0.01},
                                   {"tf_efficientnet_b0", 256, 224, true, kTensorFlow, 0.01},
                                   {"tf_efficientnet_b3", 331, 300, true, kTensorFlow, 0.01},
                                   {"tf_efficientnet_b7", 632, 600, true, kTensorFlow, 0.01}};

}  // namespace

TEST_CASE("published settings: pictures") {
  constexpr float mean[] = {0.485f, 0.456f, 0.406f}, deviation[] = {0.229f, 0.224f, 0.225f};
  for (const Settings& s : kPublished) {
    CAPTURE(s.name);
    data::Preprocess p = transfer::preprocess_of(s.name);
    CHECK(p.resize == s.resize);
    CHECK(p.crop == s.crop);
    CHECK(p.interpolation == (s.bicubic ? data::Interpolation::bicubic : data::Interpolation::bilinear));
    for (size_t c = 0; c < 3; ++c) {
      CHECK(p.mean[c] == mean[c]);
      CHECK(p.std[c] == deviation[c]);
    }
  }
}

TEST_CASE("published settings: batch norm") {
  for (const Settings& s : kPublished) {
    if (std::string_view(s.name).ends_with("b6") || std::string_view(s.name) == "tf_efficientnet_b7")
      continue;  // as its neighbours
    CAPTURE(s.name);
    NoInit quick;
    auto network = make_classifier(s.name, 2);
    int64_t norms = 0;
    for_each_layer<BatchNorm2d>(*network, [&](const std::string& name, BatchNorm2d& bn) {
      CAPTURE(name);
      CHECK(bn.how.eps == s.eps);
      CHECK(bn.how.momentum == s.momentum);
      ++norms;
    });
    CHECK((norms > 0) == (s.eps > 0));
  }
}

// A factor of 1.1 or 1.4 makes counts that a multiple of 8 below would cut by more than a tenth.
TEST_CASE("published settings: EfficientNet's channels are multiples of 8, at most a tenth below") {
  const std::pair<const char*, std::vector<int64_t>> published[] = {
      {"efficientnet_b2", {16, 24, 48, 88, 120, 208, 352}},
      {"efficientnet_b3", {24, 32, 48, 96, 136, 232, 384}},
      {"efficientnet_b4", {24, 32, 56, 112, 160, 272, 448}},
      {"efficientnet_b7", {32, 48, 80, 160, 224, 384, 640}}};
  for (const auto& [name, channels] : published) {
    CAPTURE(name);
    NoInit quick;
    auto network = make_classifier(name, 2);
    for (size_t row = 0; row < channels.size(); ++row) {
      std::string first = str("features.", row + 1, ".0.block.", row == 0 ? 2 : 3, ".1.weight");
      bool seen = false;
      for (const NamedTensor& t : named_parameters(*network)) {
        if (t.name != first) continue;
        seen = true;
        CHECK(t.value().numel() == channels[row]);
      }
      CHECK_MESSAGE(seen, first);
    }
  }
}

TEST_CASE("published settings: MobileNetV2's channels at other widths") {
  for (auto [width, count] :
       {std::pair{0.35, 1'677'128}, {0.5, 1'968'680}, {0.75, 2'636'424}, {1.4, 6'108'776}}) {
    CAPTURE(width);
    NoInit quick;
    MobileNetV2Config config;
    config.width = width;
    MobileNetV2 network(config, 1000);
    CHECK(parameter_count(network) == count);
  }
}
