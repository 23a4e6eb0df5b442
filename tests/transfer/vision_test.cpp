// CLIP and ViT from published folders: configurations, preprocessing, names, what is refused; and retraining.
#include <filesystem>

#include "core/file.h"
#include "tests/app/program.h"
#include "tests/nn/vision.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/artefact.h"
#include "transfer/clip.h"
#include "transfer/family.h"
#include "transfer/preprocessor.h"
#include "transfer/source.h"
#include "transfer/vit.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;
using transfer::load_clip;
using weights::Checkpoint;
using weights::Config;
namespace fs = std::filesystem;

namespace {

Config parsed_config(const std::string& json) {
  return Config::parse("config.json", json);
}
ClipConfig clip_of(const std::string& json) {
  return transfer::clip_config(parsed_config(json));
}
VitConfig vit_of(const std::string& json) {
  return transfer::vit_config(parsed_config(json));
}

void check_same(const ClipTowerConfig& a, const ClipTowerConfig& b) {
  CHECK(a.width == b.width);
  CHECK(a.layers == b.layers);
  CHECK(a.heads == b.heads);
  CHECK(a.inner == b.inner);
  CHECK(a.eps == b.eps);
  CHECK(a.activation == b.activation);
}

}  // namespace

TEST_CASE("CLIP's config.json: the published sizes, and what is missing is as in transformers") {
  ClipConfig c = clip_of(R"({"model_type": "clip"})");
  check_same(c.text.tower, kClipVitB32.text.tower);
  check_same(c.vision.tower, kClipVitB32.vision.tower);
  CHECK(c.vision.patch == 32);
  CHECK(c.projection == 512);
  CHECK(c.text.end == 49407);
  c = clip_of(R"({"model_type": "clip", "projection_dim": 768,
                  "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
                                  "eos_token_id": 2},
                  "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                                    "num_attention_heads": 16, "patch_size": 14}})");
  check_same(c.text.tower, kClipVitL14.text.tower);
  check_same(c.vision.tower, kClipVitL14.vision.tower);
  CHECK(c.vision.patch == 14);
  CHECK(c.text.end == 2);
  // Files of 2021 have both; where there is but the older name it counts.
  c = clip_of(R"({"model_type": "clip", "text_config": {"hidden_size": 64},
                  "text_config_dict": {"hidden_size": 32}, "vision_config_dict": {"patch_size": 16}})");
  CHECK(c.text.tower.width == 64);
  CHECK(c.vision.patch == 16);
  CHECK(clip_of(R"({"model_type": "clip", "text_config": null})").text.tower.width == 512);
}

TEST_CASE("ViT's config.json: the published size, and what is missing is as in transformers") {
  VitConfig c = vit_of(R"({"model_type": "vit"})");
  CHECK(c.width == kVitB16.width);
  CHECK(c.layers == kVitB16.layers);
  CHECK(c.heads == kVitB16.heads);
  CHECK(c.inner == kVitB16.inner);
  CHECK(c.image == 224);
  CHECK(c.patch == 16);
  CHECK(c.eps == 1e-12);
  CHECK(c.activation == Nonlinearity::gelu);
  CHECK(c.dropout == 0);
  CHECK(c.qkv_bias);
  c = vit_of(R"({"model_type": "vit", "layer_norm_eps": 1e-6, "qkv_bias": false, "image_size": 384})");
  CHECK(c.eps == 1e-6);
  CHECK_FALSE(c.qkv_bias);
  CHECK(c.image == 384);
}

TEST_CASE("CLIP's and ViT's config.json: what does not fit is refused by its key") {
  auto refused = [](const std::string& json, const std::vector<std::string>& parts) {
    CAPTURE(json);
    check_throws<DataError>([&] { clip_of(json); }, parts);
  };
  auto in_text = [](const std::string& what) {
    return R"({"model_type": "clip", "text_config": {)" + what + "}}";
  };
  auto in_vision = [](const std::string& what) {
    return R"({"model_type": "clip", "vision_config": {)" + what + "}}";
  };
  refused("{}", {"model_type", "clip"});
  refused(R"({"model_type": "siglip"})", {"model_type", "siglip"});
  refused(R"({"model_type": "clip", "text_config": 5})", {"text_config", "object"});
  refused(in_text(R"("hidden_size": "wide")"), {"text_config.hidden_size", "wide"});
  refused(in_text(R"("hidden_size": 1e400)"), {"1e400"});
  refused(in_text(R"("hidden_size": 100)"), {"text_config.hidden_size", "multiple of 8"});
  refused(in_text(R"("num_hidden_layers": -1)"), {"num_hidden_layers", "-1"});
  refused(in_text(R"("num_hidden_layers": 1000000000)"), {"num_hidden_layers", "1000000000"});
  refused(in_text(R"("num_attention_heads": 2147483648)"), {"num_attention_heads"});
  refused(in_text(R"("num_attention_heads": 7)"), {"num_attention_heads", "7"});
  refused(in_text(R"("hidden_act": "mish")"), {"hidden_act", "mish"});
  refused(in_text(R"("vocab_size": 0)"), {"vocab_size", "0"});
  refused(in_text(R"("eos_token_id": -5)"), {"eos_token_id", "-5"});
  refused(in_vision(R"("patch_size": 225)"), {"vision_config.patch_size", "224"});
  refused(in_vision(R"("num_channels": 4)"), {"num_channels", "4"});
  refused(R"({"model_type": "clip", "projection_dim": 0})", {"projection_dim", "0"});
  refused(R"({"model_type": "clip", "model_type": "clip"})", {"model_type", "twice"});

  auto refused_vit = [](const std::string& what, const std::vector<std::string>& parts) {
    CAPTURE(what);
    check_throws<DataError>([&] { vit_of(R"({"model_type": "vit", )" + what + "}"); }, parts);
  };
  refused_vit(R"("hidden_size": 100)", {"hidden_size", "multiple of 12"});
  refused_vit(R"("num_hidden_layers": 0)", {"num_hidden_layers", "0"});
  refused_vit(R"("num_attention_heads": 5)", {"num_attention_heads", "5"});
  refused_vit(R"("hidden_act": 3)", {"hidden_act"});
  refused_vit(R"("image_size": 8)", {"patch_size", "8"});
  refused_vit(R"("num_channels": 1)", {"num_channels", "1"});
  check_throws<DataError>([&] { vit_of(R"({"model_type": "deit"})"); }, {"model_type", "deit", "vit"});
}

TEST_CASE("a CLIP with more layers than its file, and a file with a surplus tensor, are refused") {
  TempDir dir;
  fs::copy(vision_folder("clip-first-end"), dir / "clip");
  std::string config = content(dir / "clip/config.json");
  auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = config;
    changed.replace(changed.find(from), from.size(), to);
    write_file(dir / "clip/config.json", changed);
  };
  with("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
  check_throws<DataError>([&] { load_clip(dir / "clip"); }, {"num_hidden_layers", "is 3", "at most 2"});
  with("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
  check_throws<DataError>([&] { load_clip(dir / "clip"); }, {"text_model.encoder.layers.1.", "unexpected"});
  with("\"patch_size\": 6", "\"patch_size\": 7");
  check_throws<DataError>([&] { load_clip(dir / "clip"); }, {"patch_embedding", "shape"});
  write_file(dir / "clip/config.json", config);
  load_clip(dir / "clip");
  write_file(dir / "clip/preprocessor_config.json", R"({"size": 224, "crop_size": 224})");
  check_throws<DataError>([&] { load_clip(dir / "clip"); }, {"preprocessor_config.json", "224", "20"});
}

TEST_CASE("preprocessor_config.json: both forms of sizes, squeezed pictures, what is refused") {
  auto of = [](const std::string& json, const InputSpec& input = kClipInput) {
    return transfer::preprocessor_config(Config::parse("preprocessor_config.json", json),
                                         transfer::preprocess_of(input));
  };
  data::Preprocess old = of(R"({"crop_size": 336, "do_center_crop": true, "do_resize": true, "resample": 3,
                               "size": 336, "image_mean": [0.5, 0.25, 0.125], "image_std": [1, 2, 3]})");
  CHECK(old.resize == 336);
  CHECK(old.crop == 336);
  CHECK(old.interpolation == data::Interpolation::bicubic);
  CHECK(old.mean == std::array<float, 4>{0.5f, 0.25f, 0.125f});
  CHECK(old.std == std::array<float, 4>{1, 2, 3});
  CHECK_FALSE(old.squash);
  CHECK(old.floor_crop);
  CHECK(data::preprocess_from_json(data::to_json(old)) == old);
  data::Preprocess now =
      of(R"({"crop_size": {"height": 200, "width": 200}, "size": {"shortest_edge": 230}})");
  CHECK(now.resize == 230);
  CHECK(now.crop == 200);
  CHECK(now.mean[0] == 0.48145466f);
  InputSpec vit{224, 224, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, false, true};
  data::Preprocess squeezed =
      of(R"({"do_normalize": true, "do_resize": true, "size": 384, "resample": 2})", vit);
  CHECK(squeezed.squash);
  CHECK(squeezed.resize == 384);
  CHECK(squeezed.crop == 384);
  CHECK(squeezed.interpolation == data::Interpolation::bilinear);
  CHECK(data::preprocess_from_json(data::to_json(squeezed)) == squeezed);
  CHECK(of(R"({"size": {"height": 192, "width": 192}})", vit).crop == 192);

  auto refused = [&](const std::string& json, const std::vector<std::string>& parts) {
    CAPTURE(json);
    check_throws<DataError>([&] { of(json); }, parts);
  };
  refused(R"({"do_resize": false})", {"do_resize"});
  refused(R"({"resample": 1})", {"resample", "1", "bicubic"});
  refused(R"({"size": {"height": 3, "width": 4}})", {"size.width", "4"});
  refused(R"({"size": {"shortest_edge": 5}, "do_center_crop": false})", {"do_center_crop"});
  refused(R"({"image_std": [1, 0, 1]})", {"image_std"});
  refused(R"({"image_mean": [1, 1]})", {"image_mean", "3 numbers"});
  refused(R"({"crop_size": 0})", {"crop_size", "0"});
}

TEST_CASE("squeezed pictures: Pillow's resize of the whole picture, the same from the shrunk one") {
  data::Image image(31, 17);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i * 37 % 251);
  data::Preprocess p{.resize = 12, .crop = 12, .squash = true};
  Tensor input = data::to_input(image, p);
  data::Image small = data::resize(image, 12, 12, p.interpolation);
  CHECK(bit_equal(input, data::to_input(small, p)));
  CHECK(input.data<float>()[0] == (static_cast<float>(small.rgb[0]) / 255.0f - p.mean[0]) / p.std[0]);
  p.crop = 10;
  check_throws<DataError>([&] { data::to_input(image, p); }, {"squashes to 12", "10"});
}

TEST_CASE("the middle of a picture between two pixels: torchvision's and transformers' choice") {
  data::Image image(9, 4);  // of which 4 x 4 pixels stay: the first column is 2, and 2.5 to even is 2 as well
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i);
  data::Preprocess p{.resize = 0, .crop = 4};
  auto first_column = [&](int64_t width) {
    data::Image part = data::crop(image, {0, 0, width, 4});
    Tensor input = data::to_input(part, p);
    for (int64_t x = 0; x < width; ++x) {
      float red = (static_cast<float>(part.row(0)[3 * x]) / 255.0f - p.mean[0]) / p.std[0];
      if (red == input.data<float>()[0]) return x;
    }
    return int64_t{-1};
  };
  CHECK(first_column(9) == 2);  // 2.5
  CHECK(first_column(7) == 2);  // 1.5
  p.floor_crop = true;
  CHECK(first_column(9) == 2);
  CHECK(first_column(7) == 1);
  CHECK(first_column(8) == 2);
}

TEST_CASE("a rearranged checkpoint: rows, turned matrices, and what is not there") {
  TempDir dir;
  Tensor matrix = random_tensor({6, 4}, 1, DType::f32), row = random_tensor({6}, 2, DType::f32);
  weights::save_safetensors(dir / "a.safetensors", {{"m", matrix}, {"v", row}});
  auto file = Checkpoint::open(dir / "a.safetensors");
  auto cut = file.rearranged({{"top", "m", 0, 2},
                              {"rest", "m", 2, 4},
                              {"all", "v"},
                              {.name = "turned", .source = "m", .begin = 1, .count = 3, .transposed = true},
                              {"end", "v", 5, 1}});
  CHECK(bit_equal(cut.read("top"), matrix.slice(0, 0, 2).contiguous()));
  CHECK(bit_equal(cut.read("rest"), matrix.slice(0, 2, 6).contiguous()));
  CHECK(bit_equal(cut.read("turned"), matrix.slice(0, 1, 4).transpose(0, 1).contiguous()));
  CHECK(bit_equal(cut.read("all"), row));
  CHECK(cut.read("end").data<float>()[0] == row.data<float>()[5]);
  CHECK(cut.find("turned")->origin == "m rows 1 to 3, transposed");
  CHECK(cut.find("turned")->bytes == 48);
  CHECK(cut.find("m") == nullptr);
  check_throws<DataError>([&] { file.rearranged({{"x", "n"}}); }, {"no tensor named n"});
  check_throws<DataError>([&] { file.rearranged({{"x", "m", 4, 3}}); }, {"x", "no rows 4 to 6", "m"});
  check_throws<DataError>([&] { file.rearranged({{"x", "m", -1, 2}}); }, {"no rows"});
  check_throws<DataError>([&] { file.rearranged({{.name = "x", .source = "v", .transposed = true}}); },
                          {"expected a matrix"});
  check_throws<DataError>([&] { file.rearranged({{"x", "m"}, {"x", "v"}}); }, {"duplicate", "x"});
}

TEST_CASE("OpenAI's names: a missing tensor and a ResNet for pictures are refused") {
  TempDir dir;
  auto file = Checkpoint::open(vision_folder("clip-openai"));
  auto without = [&](const std::string& name, const std::vector<weights::SavedTensor>& more) {
    std::vector<weights::SavedTensor> tensors = more;
    for (const weights::Entry& entry : file.entries())
      if (entry.name != name) tensors.push_back({entry.name, file.read(entry.name)});
    weights::save_safetensors(dir / "c.safetensors", tensors);
    return dir / "c.safetensors";
  };
  load_clip(without("", {}));
  check_throws<DataError>([&] { load_clip(without("visual.proj", {})); }, {"visual.proj"});
  check_throws<DataError>([&] { load_clip(without("text_projection", {})); }, {"text_projection"});
  check_throws<DataError>(
      [&] {
        load_clip(without("", {{"surplus", Tensor::zeros({2})}}));
      },
      {"surplus", "unexpected"});
  check_throws<DataError>(
      [&] {
        load_clip(without("", {{"visual.layer1.0.conv1.weight", Tensor::zeros({2})}}));
      },
      {"ResNet"});
}

TEST_CASE("families: what a folder is, in a line and as a ledger") {
  CHECK(transfer::family_of(vision_folder("clip-first-end")) == "clip");
  CHECK(transfer::family_of(vision_folder("clip-openai")) == "clip");
  CHECK(transfer::family_of(vision_folder("vit-torchvision") + "/weights.pth").empty());
  CHECK(transfer::family_of("nowhere").empty());
  std::string clip = transfer::description_of(vision_folder("clip-first-end"));
  CHECK(clip.find("CLIP, pictures of 20 x 20 pixels in patches of 6 (2 layers of width 24") == 0);
  CHECK(transfer::description_of(vision_folder("clip-openai")).find("CLIP, pictures of 10 x 10") == 0);
  CHECK(transfer::description_of(vision_folder("vit-huggingface")).find("3 labels") != std::string::npos);
  CHECK(transfer::description_of(decoder_folder("gpt2")).find("GPT-2, ") == 0);
  CHECK(transfer::load_report_of(vision_folder("vit-huggingface")).complete());
}

TEST_CASE("a published ViT's folder classifies without a network's name") {
  TempDir dir;
  fs::copy(vision_folder("vit-huggingface"), dir / "vit");
  transfer::Source source;
  source.weights = dir / "vit";
  transfer::Artefact opened = transfer::open_source(source);
  CHECK(opened.labels == std::vector<std::string>{"rose", "daisy", "tulip"});
  CHECK(opened.preprocess.squash);
  CHECK(opened.preprocess.crop == 17);
  auto found = transfer::predict(source, {vision_folder("clip-zeroshot") + "/picture.png"});
  CHECK(found[0].top.size() == 3);
  source.labels = {"a", "b"};
  check_throws<DataError>([&] { transfer::open_source(source); }, {"2 labels", "3 classes"});
}

TEST_CASE("retrain: CLIP's picture network and a ViT, head, last stage and all") {
  transfer::PictureSet train = drawn_pictures(3, 8, 20, 1), test = drawn_pictures(3, 4, 20, 2);
  for (bool clip : {true, false}) {
    for (const char* strategy : {"head", "partial:1", "partial:3", "full"}) {
      CAPTURE(clip);
      CAPTURE(strategy);
      std::unique_ptr<Classifier> network;
      if (clip) {
        auto own = std::make_unique<ClipClassifier>(
            clip_of(content(vision_folder("clip-first-end") + "/config.json")).vision, 14, 5, 1);
        auto report = transfer::load_clip_classifier(*own, Checkpoint::open(vision_folder("clip-first-end")));
        CHECK(report.to_text().find("classifier.weight") != std::string::npos);
        network = std::move(own);
      } else {
        network = std::make_unique<Vit>(
            VitConfig{.image = 20, .patch = 6, .width = 24, .layers = 2, .heads = 3, .inner = 32}, 5, 1);
      }
      transfer::RetrainOptions options = quick_options(strategy);
      options.preprocess.resize = options.preprocess.crop = 20;
      options.recipe.epochs = 4;
      transfer::RunResult result = transfer::retrain(*network, train, test, options);
      CHECK(network->classes() == 3);
      CHECK(result.certificate.broken.empty());
      CHECK(result.test.count == 12);
      CHECK((result.frozen_tensors == 0) ==
            (std::string(strategy) == "full" || std::string(strategy) == "partial:3"));
    }
  }
}
