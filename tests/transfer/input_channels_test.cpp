// Networks for three channels on pictures of one and of four: the same logits, in every family; what the
// ledger, the artefact and the program make of it.
#include "transfer/input_channels.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/file.h"
#include "nn/models/cifar_resnet.h"
#include "nn/models/clip.h"
#include "nn/models/efficientnet.h"
#include "nn/models/mobilenet_v2.h"
#include "nn/models/registry.h"
#include "nn/models/resnet.h"
#include "nn/models/squeezenet.h"
#include "nn/models/vgg.h"
#include "nn/models/vit.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/artefact.h"
#include "transfer/embed.h"
#include "transfer/retrain.h"
#include "transfer/source.h"
#include "transfer/tune.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

using Make = std::function<std::unique_ptr<nn::Classifier>(DType)>;

struct Family {
  std::string name;
  int64_t side;  // of its pictures
  bool inside;   // does grey need the second plane?
  Make make;
};

// Every family, narrow: the same first convolution, fewer layers behind it.
std::vector<Family> families() {
  using namespace nn;
  auto of = [](auto config, auto* kind) -> Make {
    using Network = std::remove_pointer_t<decltype(kind)>;
    return [config](DType t) { return std::make_unique<Network>(config, 5, 3, t); };
  };
  EfficientNetConfig efficient;
  efficient.stem = 8;
  efficient.rows = {{1, 3, 1, 8, 8, 1}, {6, 3, 2, 8, 8, 1}};
  EfficientNetConfig same = efficient;
  same.names = EfficientNetConfig::Names::timm;
  same.same_padding = true;
  SqueezeNetConfig squeeze{8, 7, {3, 7}, {2, 2, 2, 2, 2, 2, 2, 2}, {4, 4, 4, 4, 4, 4, 4, 4}};
  VitConfig vit{.image = 15, .patch = 5, .width = 24, .layers = 1, .heads = 3, .inner = 40};
  auto clip = [](DType t) {
    return std::make_unique<ClipClassifier>(ClipVisionConfig{15, 5, {24, 1, 3, 40}}, 10, 5, 3, t);
  };
  return {{"resnet", 33, true, of(ResNetConfig{false, {1, 1, 1, 1}, 8}, (ResNet*)nullptr)},
          {"cifar_resnet", 16, true, of(CifarResNetConfig{{8, 16}, {1, 1}}, (CifarResNet*)nullptr)},
          {"mobilenet_v2", 21, true,
           of(MobileNetV2Config{.width = 0.25, .last = 16, .rows = {{1, 16, 1, 1}, {6, 24, 1, 2}}},
              (MobileNetV2*)nullptr)},
          {"efficientnet", 20, true, of(efficient, (EfficientNet*)nullptr)},
          {"tf_efficientnet", 20, true, of(same, (EfficientNet*)nullptr)},
          {"vgg", 33, true, of(VggConfig{{1, 1, 1, 1, 1}, false, {4, 4, 4, 4, 4}, 12}, (Vgg*)nullptr)},
          {"vgg_bn", 33, true, of(VggConfig{{1, 1, 1, 1, 1}, true, {4, 4, 4, 4, 4}, 12}, (Vgg*)nullptr)},
          {"squeezenet", 65, false, of(squeeze, (SqueezeNet*)nullptr)},
          {"vit", 15, false, of(vit, (Vit*)nullptr)},
          {"clip", 15, true, clip}};
}

data::Image noise(int64_t side, bool grey, bool alpha, uint64_t seed) {
  data::Image image(side, side);
  Rng rng(seed);
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    for (size_t c = 0; c < 3; ++c)
      image.rgb[i + c] = grey && c > 0 ? image.rgb[i] : static_cast<uint8_t>(rng.below(256));
    if (alpha) image.alpha.push_back(static_cast<uint8_t>(rng.below(256)));
  }
  return image;
}

// Two pictures of another seed each.
Tensor logits(nn::Classifier& network, const data::Preprocess& p, bool grey, bool alpha) {
  NoGrad no_grad;
  network.eval();
  Tensor batch = Tensor::empty({2, p.crop, p.crop, p.planes()});
  for (int64_t i = 0; i < 2; ++i)
    batch.slice(0, i, i + 1)
        .copy_from(to_input(noise(p.crop, grey, alpha, static_cast<uint64_t>(i)), p)
                       .reshape({1, p.crop, p.crop, p.planes()}));
  return network.forward(network.taken(batch)).value().to(kCpu).to(DType::f64);
}

data::Preprocess usual(int64_t side) {
  return {.resize = 0, .crop = side};
}

// Biases and norms away from where they start, so that nothing is equal by being zero.
void stir(nn::Module& network) {
  uint64_t seed = 100;
  for (const nn::NamedTensor& t : nn::named_tensors(network)) {
    if (t.value().rank() != 1) continue;
    Tensor noise = random_tensor(t.value().shape(), ++seed);
    bool variance = t.name.ends_with("running_var");
    Tensor value = t.value().to(DType::f64).clone();
    for (int64_t i = 0; i < value.numel(); ++i) {
      double x = 0.1 * noise.data<double>()[i];
      value.data<double>()[i] += variance ? std::abs(x) : x;
    }
    t.set_value(value.to(t.value().dtype()));
  }
}

// The small CIFAR network's weights in a file, under the names of cifar_resnet20.
std::string published(const TempDir& dir) {
  auto network = nn::make_classifier("cifar_resnet20", 10, 7);
  std::string path = dir / "cifar.safetensors";
  weights::save(*network, path);
  return path;
}

TuneOptions run_on(const std::string& data, const std::string& weights) {
  TuneOptions options;
  options.data = data;
  options.model = "cifar_resnet20";
  options.weights = weights;
  options.cache = false;
  return options;
}

// Noise of two classes that nothing but alpha tells apart.
PictureSet transparent(uint64_t seed) {
  PictureSet out;
  out.classes = {"clear", "opaque"};
  for (int64_t i = 0; i < 24; ++i) {
    data::Image image = noise(8, false, true, seed + static_cast<uint64_t>(i));
    for (uint8_t& v : image.alpha) v = i % 2 ? 255 : v / 4;
    out.files.push_back(str(i, ".png"));
    out.labels.push_back(i % 2);
    out.pixels.push_back(std::make_shared<const data::Image>(image));
  }
  return out;
}

}  // namespace

TEST_CASE("input channels: grey in one channel is grey in three, in every family and to rounding") {
  for (const Family& family : families()) {
    for (DType dtype : {DType::f64, DType::f32}) {
      CAPTURE(family.name);
      CAPTURE(to_text(dtype));
      auto three = family.make(dtype), one = family.make(dtype);
      stir(*three);
      stir(*one);
      data::Preprocess rgb = usual(family.side);
      data::Preprocess grey = fit_channels(*one, rgb, 1);
      CHECK(grey.channels == 1);
      CHECK(grey.inside == family.inside);
      CHECK(one->planes() == (family.inside ? 2 : 1));
      Tensor expected = logits(*three, rgb, true, false), found = logits(*one, grey, true, false);
      // The inputs are f32 in both, so a few roundings of f32 stay in f64 too.
      CHECK(max_relative_difference(found, expected) < 1e-5);
      // And it is the means that make it hard: without D the logits are others.
      auto plain = family.make(dtype);
      stir(*plain);
      data::Preprocess rough = fit_channels(*plain, rgb, 1, nullptr, false);
      CHECK(plain->planes() == 1);
      CHECK(max_relative_difference(logits(*plain, rough, true, false), expected) >
            10 * max_relative_difference(found, expected));
    }
  }
}

TEST_CASE("input channels: with equal means one plane is enough, and the filters are summed") {
  for (const Family& family : families()) {
    CAPTURE(family.name);
    auto three = family.make(DType::f64), one = family.make(DType::f64);
    data::Preprocess rgb = usual(family.side);
    rgb.mean = {0.5f, 0.5f, 0.5f};
    rgb.std = {0.25f, 0.25f, 0.25f};
    data::Preprocess grey = fit_channels(*one, rgb, 1);
    CHECK(grey.planes() == 1);
    CHECK(grey.mean[0] == 0.5f);
    CHECK(grey.std[0] == 0.25f);
    const Tensor &w = three->first_conv().weight.var.value(), &v = one->first_conv().weight.var.value();
    for (int64_t i = 0; i < v.numel(); ++i) {
      const double* at = w.data<double>() + 3 * i;
      CHECK(v.data<double>()[i] == doctest::Approx(at[0] + at[1] + at[2]).epsilon(1e-12));
    }
    rgb.std = {0.2f, 0.25f, 0.4f};
    auto other = family.make(DType::f64);
    grey = fit_channels(*other, rgb, 1);
    CHECK(grey.planes() == 1);
    CHECK(max_relative_difference(logits(*other, grey, true, false), logits(*three, rgb, true, false)) <
          1e-5);
  }
}

TEST_CASE("input channels: with alpha a network begins as the published one, whatever alpha says") {
  for (const Family& family : families()) {
    CAPTURE(family.name);
    auto three = family.make(DType::f64), four = family.make(DType::f64);
    data::Preprocess rgb = usual(family.side);
    data::Preprocess all = fit_channels(*four, rgb, 4);
    CHECK(four->planes() == 4);
    Tensor expected = logits(*three, rgb, false, true);
    CHECK(max_relative_difference(logits(*four, all, false, true), expected) < 1e-12);
    // The same once alpha's filters have moved, for opaque pictures.
    const Tensor& w = four->first_conv().weight.var.value();
    for (int64_t i = 3; i < w.numel(); i += 4) w.data<double>()[i] = 0.1 * static_cast<double>(i % 7);
    CHECK(max_relative_difference(logits(*four, all, false, false), logits(*three, rgb, false, false)) <
          1e-12);
    CHECK(max_relative_difference(logits(*four, all, false, true), expected) > 1e-3);
  }
}

TEST_CASE("input channels: every device computes the same with one and with four") {
  for (int64_t channels : {1, 4}) {
    auto network = small_network();
    data::Preprocess p = fit_channels(*network, usual(8), channels);
    Tensor expected = logits(*network, p, channels == 1, channels == 4);
    for (Device device : devices()) {
      network->compute_on(device, DType::f32);
      CHECK(max_relative_difference(logits(*network, p, channels == 1, channels == 4), expected) < 1e-5);
    }
  }
}

TEST_CASE("input channels: training goes on from there, on every device") {
  for (int64_t channels : {1, 4}) {
    RetrainOptions options = quick_options("full");
    auto network = small_network();
    options.preprocess = fit_channels(*network, options.preprocess, channels);
    auto train = drawn_pictures(2, 6, 8, 1), test = drawn_pictures(2, 3, 8, 2);
    Tensor before = network->first_conv().weight.var.value().clone();
    RunResult result = retrain(*network, train, test, options);
    CHECK(result.certificate.frozen_bytes_changed == 0);
    const Tensor& after = network->first_conv().weight.var.value();
    CHECK(after.shape() == before.shape());
    CHECK(max_relative_difference(after.to(DType::f64), before.to(DType::f64)) > 0);
    // Opaque pictures leave alpha's filters where they are.
    if (channels == 4)
      for (int64_t i = 3; i < after.numel(); i += 4) CHECK(after.data<float>()[i] == 0);
  }
}

TEST_CASE("input channels: the ledger, the artefact and the weights of another run") {
  TempDir dir;
  std::string file = published(dir);
  auto pictures = drawn_pictures(3, 6, 32, 5);
  write_folder(pictures, dir / "data");
  TuneOptions options = run_on(dir / "data", file);
  for (int64_t channels : {1, 4}) {
    CAPTURE(channels);
    options.channels = channels;
    options.out = dir / str("run", channels);
    RunResult result = tune(options);
    CHECK(result.receipt.at("channels") == str(channels));
    CHECK(result.artefact_accuracy == result.test.accuracy);
    auto row = std::find_if(result.ledger.begin(), result.ledger.end(),
                            [](const LedgerRow& r) { return r.target == "conv1.weight"; });
    REQUIRE(row != result.ledger.end());
    CHECK(row->transform.find(channels == 1 ? "3 inputs -> 1: summed" : "3 inputs -> 4: zeros") !=
          std::string::npos);

    Artefact artefact = load_artefact(result.artefact);
    CHECK(artefact.preprocess.channels == channels);
    CHECK(artefact.receipt.at("channels") == str(channels));
    auto saved = weights::Checkpoint::open(result.artefact);
    CHECK(saved.find("conv1.weight")->sizes == std::vector<int64_t>{16, channels == 1 ? 2 : 4, 3, 3});
    Source source;
    source.artefact = result.artefact;
    CHECK(evaluate(source, dir / "data").evaluation.accuracy == result.test.accuracy);
    CHECK(predict(source, {dir / "data"}).size() > 0);
    auto encoder = open_picture_encoder(result.artefact);
    CHECK(encoder.preprocess == artefact.preprocess);
    source.channels = 3;
    check_throws<UsageError>([&] { open_source(source); }, {"model.graft", "channels"});

    // Its weights are a start for another run, which then needs no word about channels.
    TuneOptions again = options;
    again.weights = result.artefact;
    again.channels = {};
    again.out = "";
    RunResult second = tune(again);
    CHECK(second.receipt.at("channels") == str(channels));
    CHECK(second.test.accuracy == result.test.accuracy);
    again.channels = channels == 1 ? 4 : 1;
    check_throws<DataError>([&] { tune(again); },
                            {"conv1.weight", channels == 1 ? "1 channel (grey)" : "4 channels"});
    again.channels = 3;
    check_throws<DataError>([&] { tune(again); }, {"conv1.weight", "3 channels"});
  }
}

TEST_CASE("input channels: the published features of grey pictures are those of three equal channels") {
  TempDir dir;
  std::string file = published(dir);
  write_folder(drawn_pictures(2, 3, 32, 9), dir / "data");
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir / "data"))
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  std::vector<std::string> grey_files;
  for (size_t i = 0; i < files.size(); ++i) {
    grey_files.push_back(dir / str("grey", i, ".png"));
    data::write_png(grey_files.back(), data::read_image(files[i], {.channels = 1}));
  }
  auto one = open_picture_encoder(file, "cifar_resnet20", 1),
       three = open_picture_encoder(file, "cifar_resnet20");
  Tensor found = embed_pictures(one, files).vectors, expected = embed_pictures(three, grey_files).vectors;
  CHECK(max_relative_difference(found.to(DType::f64), expected.to(DType::f64)) < 1e-5);
}

TEST_CASE("input channels: what alpha alone tells apart is learned with four channels, not with three") {
  RetrainOptions options = quick_options("full");
  options.recipe.epochs = 20;
  options.recipe.learning_rate = 0.01;
  options.recipe.body_lr_scale = 1;
  options.recipe.head_first = false;
  options.recipe.augment.kind = data::Augment::Kind::none;
  for (int64_t channels : {3, 4}) {
    auto network = small_network();
    RetrainOptions how = options;
    how.preprocess = fit_channels(*network, options.preprocess, channels);
    double accuracy = retrain(*network, transparent(1), transparent(1000), how).test.accuracy;
    CHECK((accuracy > 0.9) == (channels == 4));
  }
}

TEST_CASE("input channels: what is refused") {
  TempDir dir;
  std::string file = published(dir);
  write_folder(drawn_pictures(2, 3, 32, 5), dir / "data");
  TuneOptions options = run_on(dir / "data", file);
  for (int64_t wrong : {0, 2, 5, -1}) {
    options.channels = wrong;
    check_throws<UsageError>([&] { tune(options); }, {str("channels ", wrong), "1 (grey), 3 (colours) or 4"});
    Source source;
    source.model = options.model;
    source.weights = file;
    source.channels = wrong;
    check_throws<UsageError>([&] { open_source(source); }, {str("channels ", wrong)});
  }
  options.channels = 4;
  options.settings = {{"augment.rand_ops", "2"}};
  options.strategy = "full";
  check_throws<UsageError>([&] { tune(options); }, {"augment.rand_ops", "alpha"});
  auto network = small_network();
  data::Preprocess grey = fit_channels(*network, usual(8), 1);
  check_throws<Error>([&] { fit_channels(*network, grey, 4); }, {"2 planes already"});
  check_throws<Error>([&] { network->forward(Var(Tensor::zeros({1, 8, 8, 3}))); }, {"[N, H, W, 2]"});

  // An artefact whose preprocessing does not fit its tensors.
  auto saved = weights::Checkpoint::open(file);
  options = run_on(dir / "data", file);
  options.out = dir / "run";
  options.channels = 1;
  tune(options);
  auto good = weights::Checkpoint::open(dir / "run/model.graft");
  std::vector<weights::SavedTensor> tensors;
  for (const weights::Entry& e : good.entries()) tensors.push_back({e.name, good.read(e.name)});
  weights::Metadata metadata = good.metadata();
  metadata.erase("graft.sha256");
  metadata.erase("graft.writer");
  metadata["graft.preprocess"] = to_json(data::kCifar);
  weights::save_safetensors(dir / "bad.graft", tensors, metadata);
  check_throws<DataError>([&] { load_artefact(dir / "bad.graft"); }, {"conv1.weight"});
}
