// LoRA in PEFT's files: what PEFT wrote gives PEFT's logits and gradients, what graft writes is what PEFT
// wrote.
#include "transfer/peft.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "nn/adapters.h"
#include "nn/models/resnet.h"
#include "tests/support.h"
#include "transfer/language.h"
#include "transfer/text_encoder.h"
#include "weights/checkpoint.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

namespace {

std::string golden(const std::string& name) {
  return source_dir() + "/tests/golden/" + name;
}

// A network of tests/golden, and what it makes of the golden input.
struct Case {
  std::string name;
  std::unique_ptr<nn::Module> network;
  std::function<Var()> logits;
};

Tensor channels_last(const Tensor& pictures) {
  return Tensor(permute(Var(pictures), {0, 2, 3, 1}).value());
}

Case make_case(const std::string& name) {
  auto reference = weights::Checkpoint::open(golden("peft/" + name + "/golden.safetensors"));
  Case c{name, nullptr, nullptr};
  if (name == "bert") {
    auto loaded = transfer::load_text_encoder(golden("encoders/bert-classes"));
    nn::TextBatch texts{reference.read("input_ids"), reference.read("token_type_ids"),
                        nn::lengths_of_mask(reference.read("attention_mask"))};
    nn::Bert* net = loaded.model.get();
    c.network = std::move(loaded.model);
    c.logits = [net, texts] { return net->forward(texts); };
  } else if (name == "gpt2") {
    auto loaded = transfer::load_language(golden("decoders/gpt2"));
    auto* net = dynamic_cast<nn::Gpt2*>(loaded.model.get());
    REQUIRE(net);
    c.network = std::move(loaded.model);
    c.logits = [net, ids = reference.read("input_ids")] { return net->forward(ids); };
  } else {
    auto file = weights::Checkpoint::open(golden("models/resnet-basic-zip.pth"));
    nn::ResNetConfig narrow{.bottleneck = false, .blocks = {1, 1, 1, 1}, .width = 2};
    auto made = std::make_unique<nn::ResNet>(narrow, 7);
    weights::load(*made, file).require_complete();
    made->eval();
    nn::ResNet* net = made.get();
    c.network = std::move(made);
    c.logits = [net, x = channels_last(reference.read("input"))] { return net->forward(Var(x)); };
  }
  return c;
}

// As PEFT names it.
std::string published_name(std::string name) {
  size_t at = name.find(".adapter.");
  return at == std::string::npos ? name : name.erase(at, 8);
}

}  // namespace

TEST_CASE("adapters that PEFT wrote give PEFT's logits and gradients") {
  for (const char* name : {"bert", "gpt2", "resnet"}) {
    CAPTURE(name);
    Case c = make_case(name);
    auto reference = weights::Checkpoint::open(golden(str("peft/", name, "/golden.safetensors")));
    Tensor before = c.logits().value().clone();
    auto report = transfer::load_peft(*c.network, golden(str("peft/", name)));
    CHECK(report.complete());

    Var y = c.logits();
    Tensor expected = reference.read("logits");
    CHECK(max_relative_difference(y.value(), expected) <= 1e-5);
    CHECK(max_relative_difference(before, expected) > 1e-2);  // the update counts

    Tensor ramp = Tensor::empty(y.shape(), DType::f32);
    for (int64_t i = 0, n = ramp.numel(); i < n; ++i)
      ramp.data<float>()[i] =
          static_cast<float>(-1 + 2.0 * static_cast<double>(i) / static_cast<double>(n - 1));
    backward(sum(multiply(y, Var(ramp))));
    int64_t compared = 0;
    auto entries = reference.entries();
    auto gradients = std::count_if(entries.begin(), entries.end(),
                                   [](const auto& e) { return e.name.starts_with("grad/"); });
    for (const nn::NamedTensor& t : nn::named_parameters(*c.network)) {
      const weights::Entry* entry = reference.find("grad/" + published_name(t.name));
      if (!entry) continue;
      CAPTURE(t.name);
      Tensor wanted = reference.read(entry->name);
      if (t.published == nn::Published::conv_oihw) wanted = channels_last(wanted);
      REQUIRE(t.parameter->var.grad().defined());
      CHECK(max_relative_difference(t.parameter->var.grad(), wanted) <= 1e-4);
      ++compared;
    }
    CHECK(compared == gradients);
  }
}

TEST_CASE("adapters that graft writes are the tensors that PEFT wrote, under its names") {
  for (const char* name : {"bert", "gpt2", "resnet"}) {
    CAPTURE(name);
    Case c = make_case(name);
    transfer::load_peft(*c.network, golden(str("peft/", name)));
    std::vector<std::string> also;
    if (std::string(name) == "bert") also = {"classifier"};
    if (std::string(name) == "resnet") also = {"fc"};
    TempDir dir;
    transfer::save_peft(dir / "adapter", *c.network, {.rank = 2, .alpha = 3}, also, "the base");

    std::string original = golden(str("peft/", name, "/adapter_model."));
    auto theirs =
        weights::Checkpoint::open(original + (fs::exists(original + "bin") ? "bin" : "safetensors"));
    auto ours = weights::Checkpoint::open(dir / "adapter/adapter_model.safetensors");
    CHECK(ours.entries().size() == theirs.entries().size());
    for (const weights::Entry& entry : theirs.entries()) {
      CAPTURE(entry.name);
      REQUIRE(ours.find(entry.name));
      CHECK(bit_equal(ours.read(entry.name), theirs.read(entry.name)));
    }
    auto config = nlohmann::json::parse(std::ifstream(dir / "adapter/adapter_config.json"));
    CHECK(config["peft_type"] == "LORA");
    CHECK(config["r"] == 2);
    CHECK(config["lora_alpha"] == 3);
    CHECK(config["fan_in_fan_out"] == (std::string(name) == "gpt2"));
    CHECK(config["base_model_name_or_path"] == "the base");
  }
}

TEST_CASE("a merged network computes the same, under the publisher's names alone") {
  for (const char* name : {"bert", "gpt2", "resnet"}) {
    CAPTURE(name);
    Case c = make_case(name);
    std::vector<std::string> names;
    for (const nn::NamedTensor& t : nn::named_tensors(*c.network)) names.push_back(t.name);
    transfer::load_peft(*c.network, golden(str("peft/", name)));
    NoGrad no_grad;
    Tensor adapted = c.logits().value().clone();
    CHECK(!transfer::merge_lora(*c.network).empty());
    CHECK(max_relative_difference(c.logits().value(), adapted) <= 1e-5);
    std::vector<std::string> after;
    for (const nn::NamedTensor& t : nn::named_tensors(*c.network)) after.push_back(t.name);
    CHECK(after == names);
    CHECK(transfer::merge_lora(*c.network).empty());
  }
}

TEST_CASE("a network with new adapters computes what it did, and gradients reach them") {
  for (const char* name : {"bert", "gpt2", "resnet"}) {
    for (bool bottleneck : {false, true}) {
      CAPTURE(name);
      CAPTURE(bottleneck);
      Case c = make_case(name);
      Tensor before = c.logits().value().clone();
      std::string head = std::string(name) == "bert"   ? "classifier"
                         : std::string(name) == "gpt2" ? "lm_head"
                                                       : "fc";
      std::vector<std::string> layers = bottleneck ? transfer::add_bottlenecks(*c.network, 9, {}, head, 5)
                                                   : transfer::add_lora(*c.network, {.rank = 2}, head, 5);
      CHECK(!layers.empty());
      for (const std::string& layer : layers) CHECK(!layer.starts_with(head));
      Var y = c.logits();
      CHECK(max_relative_difference(y.value(), before) <= 1e-6);
      backward(sum(multiply(y, y)));
      int with_gradient = 0;
      for (const nn::NamedTensor& t : nn::named_parameters(*c.network)) {
        bool up = t.name.ends_with(bottleneck ? ".adapter.up.weight" : ".adapter.lora_B.weight");
        if (!up) continue;
        CAPTURE(t.name);
        Tensor g = t.parameter->var.grad();
        REQUIRE(g.defined());
        CHECK(max_relative_difference(g, Tensor::zeros(g.shape(), g.dtype())) > 0);
        ++with_gradient;
      }
      CHECK(with_gradient == static_cast<int>(layers.size()));
    }
  }
}

TEST_CASE("adapters: what does not fit is refused, and the network stays as it was") {
  Case c = make_case("bert");
  size_t tensors = nn::named_tensors(*c.network).size();
  auto unchanged = [&] { return nn::named_tensors(*c.network).size() == tensors; };
  check_throws<UsageError>([&] { transfer::add_lora(*c.network, {.targets = {"qeury"}}, "classifier", 0); },
                           {"qeury", "did you mean", "query"});
  check_throws<UsageError>([&] { transfer::add_lora(*c.network, {.rank = 0}, "classifier", 0); },
                           {"rank is 0"});
  check_throws<UsageError>([&] { transfer::save_peft("nowhere", *c.network, {}, {}, ""); }, {"no layer"});
  CHECK(unchanged());

  TempDir dir;
  auto write = [&](const std::string& config, const std::vector<weights::SavedTensor>& tensors_) {
    std::ofstream(dir / "adapter_config.json") << config;
    weights::save_safetensors(dir / "adapter_model.safetensors", tensors_);
  };
  const std::string good = R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4})";
  auto zeros = [](const char* name, const Shape& shape) {
    return weights::SavedTensor{name, Tensor::zeros(shape, DType::f32)};
  };
  auto load = [&] { transfer::load_peft(*c.network, dir.path()); };
  check_throws<DataError>(load, {"adapter_model.safetensors"});
  const std::string layer = "base_model.model.bert.encoder.layer.0.attention.self.query";
  auto a = zeros((layer + ".lora_A.weight").c_str(), {2, 24});
  auto b = zeros((layer + ".lora_B.weight").c_str(), {24, 2});
  write(R"({"peft_type": "IA3"})", {a, b});
  check_throws<DataError>(load, {"peft_type", "IA3"});
  write(R"({"peft_type": "LORA", "use_dora": true})", {a, b});
  check_throws<DataError>(load, {"use_dora"});
  write(good, {a});
  check_throws<DataError>(load, {"lora_B"});
  CHECK(unchanged());
  write(good, {a, zeros((layer + ".lora_B.weight").c_str(), {24, 3})});
  check_throws<DataError>(load, {"lora_B", "[24, 3]"});
  CHECK(unchanged());
  write(good, {a, b, zeros("base_model.model.classifier.weigth", {3, 24})});
  check_throws<DataError>(load, {"classifier.weigth"});
  CHECK(unchanged());
  write(good, {zeros("base_model.model.encoder.nobody.lora_A.weight", {2, 24})});
  check_throws<DataError>(load, {"encoder.nobody", "no linear or convolution layer"});
  write(good, {zeros("base_model.model.query.lora_A.weight", {2, 24})});
  check_throws<DataError>(load, {"end of several"});
  write(good, {zeros("base_model.model.classifier.weight", {3, 24})});
  check_throws<DataError>(load, {"no LoRA update"});
  CHECK(unchanged());
  write(good, {a, b});
  CHECK_NOTHROW(load());
  CHECK(nn::named_tensors(*c.network).size() == tensors + 2);
  check_throws<UsageError>(load, {"has one already"});
  CHECK(nn::named_tensors(*c.network).size() == tensors + 2);
}
