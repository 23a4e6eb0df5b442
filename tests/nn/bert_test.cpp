// BERT against transformers: logits, the vectors after every layer, loss and every gradient.
#include "nn/models/bert.h"

#include <algorithm>
#include <cmath>

#include "tests/nn/parity.h"
#include "tests/support.h"
#include "weights/encoders.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;
using weights::Checkpoint;
using weights::Config;

namespace {

std::string folder() {
  return env::assets() + "/golden/bert_seqcls";
}

BertConfig golden_config() {
  return weights::bert_config(Config::read(folder() + "/config.json"));
}

BertClassifier golden_model(const BertConfig& config, const std::string& file) {
  BertClassifier model(config, 3);
  weights::load(model, Checkpoint::open(folder() + "/" + file), weights::bert_names()).require_complete();
  return model;
}

BertInput golden_input() {
  Checkpoint in = Checkpoint::open(folder() + "/inputs.safetensors");
  return {in.read("input_ids"), in.read("token_type_ids"), in.read("attention_mask")};
}

double largest(const Tensor& t) {
  double out = 0;
  for (float v : t.contiguous().span<float>()) out = std::max(out, std::abs(static_cast<double>(v)));
  return out;
}

// The largest difference of any layer's vectors at the words (padding's own are nobody's) and of the logits.
double output_difference(BertClassifier& model, const BertInput& input) {
  Checkpoint out = Checkpoint::open(folder() + "/outputs.safetensors");
  Tensor lengths = lengths_of_mask(input.mask);
  Worst worst;
  auto words = [&](const Tensor& hidden) {
    Tensor copy = hidden.clone();
    for (int64_t b = 0; lengths.defined() && b < copy.dim(0); ++b)
      copy.slice(0, b, b + 1).slice(1, lengths.data<int64_t>()[b], copy.dim(1)).fill(0);
    return copy;
  };
  int blocks = 0;
  {
    Observing observing(model, [&](const std::string& name, const Tensor& y) {
      std::string theirs = name == "bert.embeddings"        ? "hidden_0"
                           : name == "bert.encoder.layer.0" ? "hidden_1"
                           : name == "bert.encoder.layer.1" ? "hidden_2"
                                                            : "";
      if (theirs.empty()) return;
      ++blocks;
      worst.see(theirs, max_relative_difference(words(y), words(out.read(theirs))));
    });
    worst.see("logits", max_relative_difference(model.forward(input).value(), out.read("logits")));
  }
  CHECK(blocks == 3);
  return worst.value;
}

}  // namespace

TEST_CASE("BERT: outputs, loss and every gradient are those of transformers, from both weight files") {
  GRAFT_NEEDS_ASSETS();
  Checkpoint in = Checkpoint::open(folder() + "/inputs.safetensors");
  Checkpoint out = Checkpoint::open(folder() + "/outputs.safetensors");
  Checkpoint grads = Checkpoint::open(folder() + "/grads.safetensors");
  double scale = 0;
  for (const auto& entry : grads.entries()) scale = std::max(scale, largest(grads.read(entry.name)));
  for (const char* file : {"model.safetensors", "pytorch_model.bin"}) {
    BertClassifier model = golden_model(golden_config(), file);
    CHECK(output_difference(model, golden_input()) <= 1e-5);
    Var loss = cross_entropy(model.forward(golden_input()), in.read("labels"));
    CHECK(max_relative_difference(loss.value(), out.read("loss").reshape({})) <= 1e-5);
    backward(loss);
    auto parameters = named_parameters(model);
    CHECK(parameters.size() == grads.entries().size());
    for (const NamedTensor& t : parameters) {
      Tensor expected = grads.read(t.name), grad = t.parameter->var.grad();
      REQUIRE_MESSAGE(grad.defined(), t.name);
      // A key's bias shifts all scores alike: its true gradient is 0, and rounding is all there is.
      double difference = max_relative_difference(grad, expected), own = largest(expected);
      if (std::isfinite(difference) && own <= 1e-5 * scale) difference *= own / scale;
      CHECK_MESSAGE(difference <= 1e-4, t.name << ": " << difference);
    }
  }
}

TEST_CASE("BERT: each trap, fallen into, is seen") {
  GRAFT_NEEDS_ASSETS();
  BertInput input = golden_input();
  auto with = [&](const std::function<void(BertConfig&)>& change) {
    BertConfig config = golden_config();
    change(config);
    BertClassifier model = golden_model(config, "model.safetensors");
    return output_difference(model, input);
  };
  CHECK(with([](BertConfig&) {}) <= 1e-5);
  CHECK(with([](BertConfig& c) { c.eps = 1e-5; }) > 1e-5);
  CHECK(with([](BertConfig& c) { c.activation = Nonlinearity::gelu_tanh; }) > 1e-5);
  CHECK(with([](BertConfig& c) { c.activation = Nonlinearity::quick_gelu; }) > 1e-5);
  CHECK(with([](BertConfig& c) { c.heads = 2; }) > 1e-5);
  BertClassifier model = golden_model(golden_config(), "model.safetensors");
  BertInput wrong = input;
  wrong.types = input.ids.zeros_like();
  CHECK(output_difference(model, wrong) > 1e-5);
  // Without its mask the padding is read.
  Tensor expected = Checkpoint::open(folder() + "/outputs.safetensors").read("logits");
  wrong = input;
  wrong.mask = {};
  CHECK(max_relative_difference(model.forward(wrong).value(), expected) > 1e-5);
}

TEST_CASE("BERT: saved and loaded, names of the first files too; errors") {
  BertConfig small{.width = 8, .layers = 2, .heads = 2, .inner = 12, .vocabulary = 11, .positions = 6};
  BertClassifier model(small, 3, 7), other(small, 3);
  TempDir dir;
  auto tensors = weights::published_tensors(model);
  for (auto& t : tensors) {
    bool norm = t.name.find("LayerNorm") != std::string::npos;
    if (norm && t.name.ends_with(".weight")) t.name.replace(t.name.size() - 6, 6, "gamma");
    if (norm && t.name.ends_with(".bias")) t.name.replace(t.name.size() - 4, 4, "beta");
  }
  weights::save_safetensors(dir / "old.safetensors", tensors);
  weights::load(other, Checkpoint::open(dir / "old.safetensors"), weights::bert_names()).require_complete();
  BertInput input{Tensor::from(std::vector<int64_t>{1, 5, 10, 0, 2, 3}, {2, 3})};
  CHECK(bit_equal(model.forward(input).value(), other.forward(input).value()));
  CHECK(model.forward(input).shape() == Shape{2, 3});

  BertInput longer{Tensor::zeros({1, 7}, DType::i64)};
  check_throws<UsageError>([&] { model.forward(longer); }, {"7 tokens", "6 positions"});
  input.mask = Tensor::from(std::vector<int64_t>{1, 1, 1, 0, 1, 1}, {2, 3});
  check_throws<DataError>([&] { model.forward(input); }, {"row 1", "pad on the right"});
  check_throws<DataError>([&] { BertClassifier(BertConfig{.heads = 7}, 2); }, {"768", "7 heads"});
  check_throws<DataError>(
      [&] {
        weights::bert_config(Config::parse("config.json", R"({"model_type": "bert", "vocab_size": 9})"));
      },
      {"config.json", "\"hidden_size\" is missing"});
}

TEST_CASE("BERT: every device gives the same logits and gradients") {
  BertConfig small{.width = 8, .layers = 2, .heads = 2, .inner = 12, .vocabulary = 11, .positions = 6};
  Tensor ids = Tensor::from(std::vector<int64_t>{1, 5, 10, 4, 2, 3}, {2, 3});
  Tensor mask = Tensor::from(std::vector<int64_t>{1, 1, 1, 1, 1, 0}, {2, 3});
  Tensor labels = Tensor::from(std::vector<int64_t>{2, 0}, {2});
  auto run = [&](Device device) {
    BertClassifier model(small, 3, 7);
    move_to(model, device);
    Var logits = model.forward({ids.to(device), {}, mask.to(device)});
    backward(cross_entropy(logits, labels.to(device)));
    std::vector<Tensor> all = {logits.value().to(kCpu)};
    for (const char* name : {"bert.embeddings.word_embeddings.weight", "classifier.weight"}) {
      for (const NamedTensor& t : named_parameters(model)) {
        if (t.name == name) all.push_back(t.parameter->var.grad().to(kCpu));
      }
    }
    return all;
  };
  std::vector<Tensor> expected = run(kCpu);
  REQUIRE(expected.size() == 3);
  on_every_device([&](Device device) {
    std::vector<Tensor> found = run(device);
    for (size_t i = 0; i < found.size(); ++i) CHECK(max_relative_difference(found[i], expected[i]) <= 1e-4);
  });
}
