// BERT and RoBERTa against transformers: blocks, logits, loss, every gradient; and what is easily got wrong
// about them, got wrong on purpose.
#include "nn/models/bert.h"
#include "tests/nn/decoders.h"
#include "tests/support.h"
#include "transfer/text_encoder.h"

using namespace graft;
using namespace graft::nn;
using namespace graft::test;

namespace {

constexpr double kBar = 1e-5;
constexpr const char* kTiny[] = {"bert-classes", "bert-questions", "bert-words", "roberta-classes",
                                 "roberta-words"};

std::string encoder_folder(const std::string& name) {
  return str(source_dir(), "/tests/golden/encoders/", name);
}

std::unique_ptr<Bert> widened(Bert& network, int64_t classes) {
  auto wide = std::make_unique<Bert>(network.config, network.task, classes, 0, DType::f64);
  auto from = named_tensors(network), to = named_tensors(*wide);
  for (size_t i = 0; i < from.size(); ++i) to[i].set_value(from[i].value().clone().to(to[i].value().dtype()));
  return wide;
}

// The logits' distance from the reference of a network with the published weights and another config.
double distance(const std::string& name, const std::function<void(BertConfig&)>& wrong,
                const std::function<void(TextBatch&)>& other = {}) {
  std::string folder = encoder_folder(name);
  transfer::TextEncoder right = transfer::load_text_encoder(folder);
  BertConfig config = right.model->config;
  wrong(config);
  Bert network(config, right.model->task, 3);
  auto from = named_tensors(*right.model), to = named_tensors(network);
  REQUIRE(from.size() == to.size());
  for (size_t i = 0; i < from.size(); ++i) to[i].value().copy_from(from[i].value());
  network.eval();
  DecoderGolden golden = read_golden(folder);
  TextBatch texts = texts_of(golden);
  if (other) other(texts);
  NoGrad no_grad;
  return max_relative_difference(network.forward(texts).value(), golden.logits);
}

}  // namespace

TEST_CASE("BERT and RoBERTa equal transformers': blocks, logits, loss, gradients, for every task") {
  for (const char* name : kTiny) {
    CAPTURE(name);
    transfer::TextEncoder loaded = transfer::load_text_encoder(encoder_folder(name));
    DecoderGolden golden = read_golden(encoder_folder(name));
    CHECK(golden.blocks.size() == 3);
    check_bars(compare(*loaded.model, golden));
    check_bars(compare(*widened(*loaded.model, 3), golden));
  }
}

TEST_CASE("published BERT from both files of weights") {
  GRAFT_NEEDS_ASSETS();
  std::string folder = str(env::assets(), "/golden/bert_seqcls");
  DecoderGolden golden = read_asset(folder);
  weights::Checkpoint outputs = weights::Checkpoint::open(folder + "/outputs.safetensors");
  golden.blocks = {{"bert.embeddings", outputs.read("hidden_0")},
                   {"bert.encoder.layer.0", outputs.read("hidden_1")},
                   {"bert.encoder.layer.1", outputs.read("hidden_2")}};
  for (const char* file : {"model.safetensors", "pytorch_model.bin"}) {
    CAPTURE(file);
    transfer::TextEncoder loaded = transfer::load_text_encoder(str(folder, "/", file));
    CHECK(loaded.labels == std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"});
    check_bars(compare(*loaded.model, golden));
  }
}

TEST_CASE("traps: BERT's epsilon, GELU, token types and padding") {
  CHECK(distance("bert-classes", [](BertConfig&) {}) <= kBar);
  CHECK(distance("bert-classes", [](BertConfig& c) { c.eps = 1e-5; }) > kBar);
  CHECK(distance("bert-classes", [](BertConfig& c) { c.activation = Nonlinearity::gelu_tanh; }) > 10 * kBar);
  auto same = [](BertConfig&) {};
  CHECK(distance("bert-classes", same, [](TextBatch& t) { t.types = {}; }) > 100 * kBar);
  CHECK(distance("bert-classes", same, [](TextBatch& t) { t.lengths = {}; }) > 100 * kBar);
}

TEST_CASE("traps: RoBERTa's positions start after its padding token's number") {
  CHECK(distance("roberta-classes", [](BertConfig&) {}) <= kBar);
  CHECK(distance("roberta-classes", [](BertConfig& c) { c.eps = 1e-12; }) > kBar);
  CHECK(distance("roberta-classes", [](BertConfig& c) { c.padding = 0; }) > 100 * kBar);
}

TEST_CASE("BERT: vectors of texts are the mean of their tokens, without padding") {
  Tensor hidden = random_tensor({3, 4, 5}, 1, DType::f64);
  Tensor lengths = Tensor::from(std::vector<int64_t>{4, 1, 0}, {3});
  Tensor pooled = Bert::mean_pooled(Var(hidden), lengths).value();
  for (int64_t c = 0; c < 5; ++c) {
    double sum = 0;
    for (int64_t t = 0; t < 4; ++t) sum += hidden.data<double>()[t * 5 + c];
    CHECK(pooled.data<double>()[c] == doctest::Approx(sum / 4).epsilon(1e-12));
    CHECK(pooled.data<double>()[5 + c] == doctest::Approx(hidden.data<double>()[20 + c]).epsilon(1e-12));
    CHECK(pooled.data<double>()[10 + c] == 0);
  }
  check_gradients([&](const std::vector<Var>& v) { return Bert::mean_pooled(v[0], lengths); }, {hidden});
}

TEST_CASE("BERT: errors name what does not fit") {
  BertConfig small{8, 1, 2, 8, 11, 6};
  check_throws<DataError>(
      [&] {
        BertConfig c = small;
        c.heads = 3;
        Bert(c, BertTask::classes);
      },
      {"width 8", "3 heads"});
  check_throws<UsageError>([&] { Bert(small, BertTask::classes, 0); }, {"at least one class"});
  Bert network(small, BertTask::classes, 2, 1);
  network.eval();
  auto ids = [](int64_t count, int64_t value) {
    return TextBatch{Tensor::full({1, count}, static_cast<double>(value), DType::i64), {}, {}};
  };
  check_throws<UsageError>([&] { network.forward(ids(7, 1)); }, {"7 tokens", "6 positions"});
  check_throws<DataError>([&] { network.forward(ids(3, 11)); }, {"11"});
  Var logits = network.forward(ids(3, 1));
  check_throws<Error>([&] { network.loss(logits, Tensor::zeros({2}, DType::i64)); }, {"labels", "[1]"});
}
