// Vision transformers against torchvision and transformers: blocks, logits, loss, every gradient; and what is
// easily got wrong about them, got wrong on purpose.
#include "nn/models/vit.h"

#include "tests/nn/vision.h"
#include "tests/support.h"
#include "transfer/vit.h"
#include "weights/load.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;

namespace {

constexpr double kBar = 1e-5;
const VitConfig kNarrow{.image = 15, .patch = 5, .width = 24, .layers = 2, .heads = 3, .inner = 40};

std::unique_ptr<Vit> from_torchvision(const VitConfig& config) {
  auto network = std::make_unique<Vit>(config, 7);
  weights::load(*network, weights::Checkpoint::open(vision_folder("vit-torchvision") + "/weights.pth"),
                transfer::vit_names(config.names))
      .require_complete();
  return network;
}

void check_both_types(Vit& network, const DecoderGolden& golden) {
  check_bars(compare(network, golden));
  Vit wide(network.config, network.classes(), 0, DType::f64);
  auto from = named_tensors(network), to = named_tensors(wide);
  for (size_t i = 0; i < from.size(); ++i) to[i].set_value(from[i].value().to(DType::f64));
  check_bars(compare(wide, golden));
}

double distance(Vit& network, const std::string& name) {
  DecoderGolden golden = read_golden(vision_folder(name));
  NoGrad no_grad;
  return max_relative_difference(network.forward(pictures_of(golden)).value(), golden.logits);
}

}  // namespace

TEST_CASE("ViT equals torchvision's: blocks, logits, loss, gradients, in f32 and f64") {
  auto network = from_torchvision(kNarrow);
  DecoderGolden golden = read_golden(vision_folder("vit-torchvision"));
  CHECK(golden.blocks.size() == 2);
  check_both_types(*network, golden);
}

TEST_CASE("ViT equals transformers': blocks, logits, loss, gradients, in f32 and f64") {
  auto loaded = transfer::load_vit(vision_folder("vit-huggingface"));
  CHECK(loaded.labels == std::vector<std::string>{"rose", "daisy", "tulip"});
  CHECK(loaded.model->config.eps == 1e-12);
  DecoderGolden golden = read_golden(vision_folder("vit-huggingface"));
  CHECK(golden.blocks.size() == 2);
  check_both_types(*loaded.model, golden);
}

TEST_CASE("ViT: what is saved has torchvision's names, and loads again") {
  auto network = from_torchvision(kNarrow);
  TempDir dir;
  weights::save(*network, dir / "vit.safetensors");
  auto file = weights::Checkpoint::open(dir / "vit.safetensors");
  CHECK(file.find("encoder.layers.encoder_layer_1.self_attention.in_proj_weight")->sizes ==
        std::vector<int64_t>{72, 24});
  CHECK(file.find("encoder.layers.encoder_layer_0.mlp.3.bias"));
  CHECK(file.find("conv_proj.weight")->sizes == std::vector<int64_t>{24, 3, 5, 5});
  Vit again(kNarrow, 7, 5);
  weights::load(again, file, transfer::vit_names(kNarrow.names)).require_complete();
  CHECK(distance(again, "vit-torchvision") == distance(*network, "vit-torchvision"));
}

TEST_CASE("traps: the ViTs' epsilons, GELU, and the order of queries, keys and values") {
  auto with = [](const std::function<void(VitConfig&)>& wrong) {
    VitConfig config = kNarrow;
    wrong(config);
    return distance(*from_torchvision(config), "vit-torchvision");
  };
  CHECK(with([](VitConfig&) {}) <= kBar);
  CHECK(with([](VitConfig& c) { c.eps = 1e-5; }) > kBar);
  CHECK(with([](VitConfig& c) { c.activation = Nonlinearity::gelu_tanh; }) > 10 * kBar);
  auto network = from_torchvision(kNarrow);
  for (auto& layer : network->layers) {  // keys, queries, values
    Tensor weight = layer->in_proj_weight.var.value(), q = weight.slice(0, 0, 24).clone();
    weight.slice(0, 0, 24).copy_from(weight.slice(0, 24, 48).clone());
    weight.slice(0, 24, 48).copy_from(q);
  }
  CHECK(distance(*network, "vit-torchvision") > 100 * kBar);

  auto loaded = transfer::load_vit(vision_folder("vit-huggingface"));
  CHECK(distance(*loaded.model, "vit-huggingface") <= kBar);
  loaded.model->norm.eps = 1e-6;
  for (auto& layer : loaded.model->layers) layer->norm1.eps = layer->norm2.eps = 1e-6;
  CHECK(distance(*loaded.model, "vit-huggingface") > kBar);
}

TEST_CASE("ViT: running from any stage on, a new head, every device") {
  auto network = from_torchvision(kNarrow);
  DecoderGolden golden = read_golden(vision_folder("vit-torchvision"));
  NoGrad no_grad;
  Var x = pictures_of(golden);
  Tensor logits = network->forward(x).value();
  CHECK(network->stages().size() == 3);
  for (size_t stage = 0; stage <= 3; ++stage)
    CHECK(bit_equal(network->forward_from(stage, network->forward_to(stage, x)).value(), logits));
  CHECK(network->features(x).shape() == Shape{2, 24});
  for (Device device : devices()) {
    network->compute_on(device, DType::f32);
    Tensor there = network->forward(network->taken(x.value())).value().to(kCpu);
    CHECK(max_relative_difference(there, golden.logits) <= kBar);
    if (!device.is_cuda()) continue;
    network->compute_on(device, DType::bf16);
    Tensor rounded = network->forward(network->taken(x.value())).value().to(kCpu).to(DType::f32);
    CHECK(max_relative_difference(rounded, golden.logits) <= 0.05);
  }
  network->compute_on(kCpu, DType::f32);
  network->replace_head(2, 1);
  CHECK(network->forward(x).shape() == Shape{2, 2});
}

TEST_CASE("ViT: errors name what does not fit") {
  VitConfig wrong = kNarrow;
  wrong.heads = 5;
  check_throws<DataError>([&] { Vit v(wrong, 2); }, {"width 24", "5 heads"});
  wrong = kNarrow;
  wrong.patch = 16;
  check_throws<DataError>([&] { Vit v(wrong, 2); }, {"15 x 15", "patches of 16"});
  Vit network(kNarrow, 2);
  check_throws<UsageError>(
      [&] {
        network.forward(Var(Tensor::zeros({1, 15, 16, 3})));
      },
      {"[1, 15, 16, 3]", "[N, 15, 15, 3]"});
}
