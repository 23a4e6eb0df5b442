// CLIP against transformers and against a network written as OpenAI's: blocks, features, logits, loss, every
// gradient; and what is easily got wrong about it, got wrong on purpose.
#include <cmath>

#include "tests/nn/vision.h"
#include "tests/support.h"
#include "transfer/clip.h"
#include "weights/layout.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;
using transfer::load_clip;

namespace {

constexpr double kBar = 1e-5;
constexpr const char* kTiny[] = {"clip-first-end", "clip-largest-end"};

void copy_values(Module& from, Module& to) {
  auto a = named_tensors(from), b = named_tensors(to);
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) b[i].set_value(a[i].value().clone().to(b[i].value().dtype()));
}

double logits_distance(Clip& network, const DecoderGolden& golden, const ClipTexts& texts) {
  NoGrad no_grad;
  ClipLogits logits = network.forward(pictures_of(golden), texts);
  CHECK(bit_equal(logits.per_text.value(), logits.per_image.value().transpose(0, 1).contiguous()));
  return max_relative_difference(logits.per_image.value(), golden.logits);
}

// The logits' distance from the reference of a network with the published weights and another config.
double distance(const std::string& name, const std::function<void(ClipConfig&)>& wrong,
                const std::function<void(ClipTexts&)>& other = {}) {
  auto right = load_clip(vision_folder(name));
  ClipConfig config = right.model->config;
  wrong(config);
  Clip network(config);
  copy_values(*right.model, network);
  DecoderGolden golden = read_golden(vision_folder(name));
  ClipTexts texts = clip_texts_of(golden);
  if (other) other(texts);
  return logits_distance(network, golden, texts);
}

}  // namespace

TEST_CASE("CLIP equals transformers': blocks, logits, loss, gradients, in f32 and f64") {
  for (const char* name : kTiny) {
    CAPTURE(name);
    auto loaded = load_clip(vision_folder(name));
    DecoderGolden golden = read_golden(vision_folder(name));
    CHECK(golden.blocks.size() == 7);
    check_bars(compare(*loaded.model, golden));
    Clip wide(loaded.model->config, {}, DType::f64);
    copy_values(*loaded.model, wide);
    check_bars(compare(wide, golden, DType::f64));
    CHECK(loaded.report.waived.size() == 2);  // numbers of positions

    NoGrad no_grad;
    Tensor images = loaded.model->image_features(pictures_of(golden)).value();
    Tensor texts = loaded.model->text_features(clip_texts_of(golden)).value();
    CHECK(max_relative_difference(images, golden.inputs.at("image_features")) <= kBar);
    CHECK(max_relative_difference(texts, golden.inputs.at("text_features")) <= kBar);
  }
}

TEST_CASE("CLIP under OpenAI's names equals a network written as OpenAI's") {
  std::string folder = vision_folder("clip-openai");
  auto loaded = load_clip(folder + "/pytorch_model.bin");
  DecoderGolden golden = read_golden(folder);
  CHECK(logits_distance(*loaded.model, golden, clip_texts_of(golden)) <= kBar);
  CHECK(loaded.model->config.vision.image == 10);
  CHECK(loaded.model->config.vision.patch == 5);
  CHECK(loaded.model->config.text.positions == 9);
  CHECK(loaded.report.complete());
  CHECK(loaded.report.ledger().find("attn.in_proj_weight rows 64 to 127 -> "
                                    "text_model.encoder.layers.0.self_attn.k_proj.weight") !=
        std::string::npos);
  CHECK(loaded.report.ledger().find("visual.proj, transposed") != std::string::npos);
}

TEST_CASE("published CLIP from both files of weights") {
  GRAFT_NEEDS_ASSETS();
  std::string folder = str(env::assets(), "/golden/clip");
  weights::Checkpoint outputs = weights::Checkpoint::open(folder + "/outputs.safetensors");
  DecoderGolden golden;
  for (const char* name : {"pixel_values", "input_ids", "attention_mask"})
    golden.inputs[name] = weights::Checkpoint::open(folder + "/inputs.safetensors").read(name);
  auto gradients = weights::Checkpoint::open(folder + "/grads.safetensors");
  for (const weights::Entry& entry : gradients.entries())
    golden.gradients[entry.name] = gradients.read(entry.name);
  golden.logits = outputs.read("logits_per_image");
  golden.loss = outputs.read("loss").reshape({});
  golden.blocks = {{"text_model", outputs.read("text_last")},
                   {"vision_model.encoder.layers.1", outputs.read("vision_last")}};
  for (const char* file : {"model.safetensors", "pytorch_model.bin"}) {
    CAPTURE(file);
    auto loaded = load_clip(str(folder, "/", file));
    check_bars(compare(*loaded.model, golden));
    NoGrad no_grad;
    ClipTexts texts = clip_texts_of(golden);
    ClipLogits logits = loaded.model->forward(pictures_of(golden), texts);
    CHECK(max_relative_difference(logits.per_text.value(), outputs.read("logits_per_text")) <= kBar);
    Tensor images = normalize_rows(loaded.model->image_features(pictures_of(golden))).value();
    CHECK(max_relative_difference(images, outputs.read("image_embeds")) <= kBar);
    CHECK(max_relative_difference(normalize_rows(loaded.model->text_features(texts)).value(),
                                  outputs.read("text_embeds")) <= kBar);
  }
}

TEST_CASE("traps: CLIP's activation, epsilon, end token, mask and scale") {
  auto same = [](ClipConfig&) {};
  for (const char* name : kTiny) CHECK(distance(name, same) <= kBar);
  CHECK(distance("clip-first-end", [](ClipConfig& c) {
          c.text.tower.activation = c.vision.tower.activation = Nonlinearity::gelu;
        }) > 100 * kBar);
  CHECK(distance("clip-first-end", [](ClipConfig& c) { c.text.tower.eps = c.vision.tower.eps = 1e-12; }) >
        kBar);
  // The first text has larger numbers than its end token's.
  CHECK(distance("clip-first-end", [](ClipConfig& c) { c.text.end = 2; }) > 100 * kBar);
  // The end token stands before all padding, and the causal mask hides what is behind it.
  CHECK(distance("clip-first-end", same, [](ClipTexts& t) { t.lengths = {}; }) <= kBar);
  auto loaded = load_clip(vision_folder("clip-first-end"));
  DecoderGolden golden = read_golden(vision_folder("clip-first-end"));
  loaded.model->logit_scale.var.value().fill(0);  // as if the file's number were the factor's own logarithm
  CHECK(logits_distance(*loaded.model, golden, clip_texts_of(golden)) > 100 * kBar);
}

TEST_CASE("CLIP: a token's vector knows nothing of those behind it") {
  auto loaded = load_clip(vision_folder("clip-first-end"));
  NoGrad no_grad;
  auto ids = [](std::vector<int64_t> row) {
    auto count = static_cast<int64_t>(row.size());
    return ClipTexts{Tensor::from(row, {1, count}), {}};
  };
  Tensor a = loaded.model->text_model.forward(ids({1, 7, 9, 4, 30})).value();
  Tensor b = loaded.model->text_model.forward(ids({1, 7, 9, 30, 11})).value();
  CHECK(max_relative_difference(a.slice(1, 0, 3).contiguous(), b.slice(1, 0, 3).contiguous()) <= 1e-6);
  CHECK(max_relative_difference(a.slice(1, 3, 4).contiguous(), b.slice(1, 3, 4).contiguous()) > 1e-2);
}

TEST_CASE("CLIP: the gradient of the whole network is that of its numbers") {
  ClipConfig config{{7, 3, {6, 1, 2, 5}}, {11, 5, {4, 1, 2, 5}, 2}, 3};
  Clip network(config, 4, DType::f64);
  for (const NamedTensor& t : named_parameters(network)) {
    if (t.value().rank() >= 2) t.value().copy_from(random_tensor(t.value().shape(), 1 + t.name.size()));
  }
  ClipTexts texts{Tensor::from(std::vector<int64_t>{1, 4, 10, 0, 2, 10, 0, 0}, {2, 4}),
                  Tensor::from(std::vector<int64_t>{3, 2}, {2})};
  std::vector<Tensor> values = {random_tensor({2, 7, 7, 3}, 1)};
  for (const NamedTensor& t : named_parameters(network)) values.push_back(t.value());
  check_gradients(
      [&](const std::vector<Var>& vars) {
        auto parameters = named_parameters(network);
        for (size_t i = 0; i < parameters.size(); ++i) parameters[i].parameter->var = vars[i + 1];
        return Clip::contrastive_loss(network.forward(vars[0], texts));
      },
      values);
}

TEST_CASE("CLIP: every device agrees, and no texts or pictures are no error") {
  auto loaded = load_clip(vision_folder("clip-largest-end"));
  DecoderGolden golden = read_golden(vision_folder("clip-largest-end"));
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    CAPTURE(to_text(device));
    move_to(*loaded.model, device);
    ClipTexts texts = clip_texts_of(golden);
    Var images(pictures_of(golden).value().to(device));
    ClipLogits logits = loaded.model->forward(images, texts);
    CHECK(max_relative_difference(logits.per_image.value().to(kCpu), golden.logits) <= kBar);
    backward(Clip::contrastive_loss(logits));
    for (const NamedTensor& t : named_parameters(*loaded.model)) {
      CAPTURE(t.name);
      if (t.name.ends_with("k_proj.bias")) continue;  // truly 0: a key's bias shifts all scores alike
      Tensor expected = weights::to_engine(golden.gradients.at(t.name), t.published);
      CHECK(max_relative_difference(t.parameter->var.grad().to(kCpu), expected) <= 1e-4);
    }
    move_to(*loaded.model, kCpu);
  }
  NoGrad no_grad;
  CHECK(loaded.model->image_features(Var(Tensor::empty({0, 20, 20, 3}))).shape() == Shape{0, 14});
  CHECK(loaded.model->text_features({Tensor::empty({0, 5}, DType::i64), {}}).shape() == Shape{0, 14});
}

TEST_CASE("CLIP: errors name what does not fit") {
  ClipConfig small{{7, 3, {6, 1, 2, 5}}, {11, 5, {4, 1, 2, 5}, 9}, 3};
  check_throws<DataError>(
      [&] {
        ClipConfig c = small;
        c.vision.tower.heads = 4;
        Clip(c, 1);
      },
      {"picture network", "width 6", "4 heads"});
  check_throws<DataError>(
      [&] {
        ClipConfig c = small;
        c.vision.patch = 8;
        Clip(c, 1);
      },
      {"7 x 7", "patches of 8"});
  Clip network(small, 1);
  check_throws<UsageError>(
      [&] {
        network.image_features(Var(Tensor::zeros({1, 7, 8, 3})));
      },
      {"[1, 7, 8, 3]", "[N, 7, 7, 3]"});
  auto ids = [](int64_t count, double value) {
    return ClipTexts{Tensor::full({1, count}, value, DType::i64), {}};
  };
  check_throws<UsageError>([&] { network.text_features(ids(6, 1)); }, {"6 tokens", "5 positions"});
  check_throws<DataError>([&] { network.text_features(ids(2, 11)); }, {"11"});
  check_throws<DataError>([&] { network.text_features(ids(2, 3)); }, {"text 0", "no end token", "9"});
  Var images(random_tensor({2, 3}, 1, DType::f32)), texts(random_tensor({3, 3}, 2, DType::f32));
  check_throws<Error>([&] { Clip::contrastive_loss(network.compare(images, texts)); }, {"3", "2"});
}
