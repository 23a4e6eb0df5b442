// Texts through the training loop: tiny published networks, a task that words decide.
#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "nn/models/text_classifier.h"
#include "tests/transfer/text_shop.h"
#include "transfer/artefact.h"
#include "transfer/batches.h"
#include "transfer/certificate.h"
#include "transfer/features.h"
#include "transfer/score.h"
#include "transfer/text_source.h"
#include "transfer/texts.h"
#include "transfer/train.h"
#include "transfer/tune.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

TEST_CASE("texts: every strategy learns, what is frozen stays, and model.graft says the same") {
  struct Case {
    const char *config, *strategy;
  };
  for (Case c : {Case{kBert, "head"}, Case{kBert, "full"}, Case{kBert, "partial:1"}, Case{kRoberta, "head"},
                 Case{kRoberta, "full"}, Case{kGpt2, "head"}, Case{kGpt2, "full"}}) {
    CAPTURE(c.config);
    CAPTURE(c.strategy);
    Shop shop(c.config, c.strategy);
    if (std::string(c.strategy) != "head") shop.options.settings.push_back({"epochs", "12"});
    if (std::string(c.strategy) != "head" || c.config != kBert)
      shop.options.settings.push_back({"learning_rate", "0.004"});
    RunResult result = tune(shop.options);
    CHECK(result.epochs.back().train_loss < 0.8 * result.epochs.front().train_loss);
    CHECK(result.certificate.broken.empty());
    CHECK(result.certificate.frozen_bytes_changed == 0);
    CHECK((result.frozen_tensors > 0) == (std::string(c.strategy) != "full"));
    CHECK(result.artefact_accuracy == result.test.accuracy);
    CHECK(result.test.samples == Samples::texts);
    CHECK(result.classes == std::vector<std::string>{"negative", "positive"});
    CHECK(result.receipt["tokenizer_sha256"].size() == 64);
    if (std::string(c.strategy) == "full") CHECK(result.test.accuracy >= 0.9);

    Source tuned{.artefact = result.artefact, .model = "", .weights = "", .labels = {}};
    EvaluateResult again = evaluate(tuned, shop.options.data);
    CHECK(again.evaluation.accuracy == result.test.accuracy);
    CHECK(again.evaluation.loss == result.test.loss);
    write_file(shop.dir / "more.txt", "the film was bad\na very good book\n");
    std::vector<Prediction> said = predict(tuned, {"it is good", shop.dir / "more.txt"});
    REQUIRE(said.size() == 3);
    CHECK(said[0].text == "it is good");
    CHECK(said[2].text == "a very good book");
    CHECK(said[0].top.size() == 2);
    if (std::string(c.strategy) == "full") {
      CHECK(said[0].label == "positive");
      CHECK(said[1].label == "negative");
    }
  }
}

TEST_CASE("texts: the head alone gives the same bits from the cache's features as the whole network") {
  Shop shop(kBert, "head");
  PublishedText start = load_text_classifier(shop.options.weights, 0);
  auto tokenizer = data::open_tokenizer(shop.dir / "net");
  std::vector<data::TextRow> rows = {
      {"a good film", "", "x", ""}, {"bad", "", "y", ""}, {"it was so so", "", "x", ""}};
  TextExamples set(rows, {"x", "y"}, tokenizer, 12);
  Features features = features_of(*start.network, set, {.architecture = "bert", .cache = false});
  NoGrad no_grad;
  CHECK(bit_equal(start.network->head(Var(features.views[0])).value(), logits_of(*start.network, set)));
  // The key follows the tokens.
  std::string key = feature_key(*start.network, set, {.architecture = "bert"});
  rows[1].text = "bad bad";
  CHECK(feature_key(*start.network, TextExamples(rows, {"x", "y"}, tokenizer, 12),
                    {.architecture = "bert"}) != key);
}

TEST_CASE("texts: a file without pooler and head trains both; keep_head starts from the file's own") {
  Shop bare(kBert, "head", false);
  RunResult result = tune(bare.options);
  CHECK(result.trainable_parameters == 16 * 16 + 16 + 2 * 16 + 2);
  CHECK(load_artefact(result.artefact).network->head_parts() ==
        std::vector<std::string>{"bert.pooler", "classifier"});

  Shop shop(kBert, "full");
  shop.options.settings = {
      {"epochs", "1"}, {"warmup_epochs", "0"}, {"learning_rate", "0"}, {"keep_head", "true"}};
  RunResult kept = tune(shop.options);
  CHECK(kept.receipt["weights_before_sha256"] == kept.receipt["weights_after_sha256"]);
  PublishedText published = load_text_classifier(shop.options.weights, 0);
  CHECK(weights_sha256(*published.network) == kept.receipt["weights_before_sha256"]);
  shop.options.settings.back() = {"keep_head", "false"};
  CHECK(tune(shop.options).receipt["weights_before_sha256"] != kept.receipt["weights_before_sha256"]);
}

TEST_CASE("texts: long ones are cut with a note, pairs are two texts, wrong options are told") {
  Shop shop(kBert, "head");
  write_file(shop.dir / "pairs.csv",
             "sentence1,sentence2,label\nthe film,good,1\nthe book,bad,0\na a a a a a a a a a a a a,bad,0\n"
             "the plot,good,1\n");
  shop.options.data = shop.dir / "pairs.csv";
  shop.options.test_share = 0.5;
  RunResult result = tune(shop.options);
  bool noted = false;
  for (const std::string& note : result.notes)
    noted |= note.find("longer than 12 tokens") != std::string::npos;
  CHECK(noted);
  Source tuned{.artefact = result.artefact, .model = "", .weights = "", .labels = {}};
  CHECK(predict(tuned, {"the film\tbad"})[0].text == "the film | bad");
  check_throws<UsageError>([&] { predict(tuned, {}); }, {"predict"});
  check_throws<DataError>([&] { predict(tuned, {"no tab"}); }, {"trained on pairs"});
  check_throws<DataError>([&] { evaluate(tuned, shop.dir / "data"); }, {"pairs"});
  write_file(shop.dir / "other.csv", "sentence1,sentence2,label\nthe film,good,7\n");
  check_throws<DataError>([&] { evaluate(tuned, shop.dir / "other.csv"); }, {"other.csv:2", "\"7\""});

  shop.options.max_length = 13;
  check_throws<UsageError>([&] { tune(shop.options); }, {"12 positions"});
  shop.options.max_length = 0;
  shop.options.strategy = "partial:4";
  check_throws<UsageError>([&] { tune(shop.options); }, {"3 stages", "bert.embeddings"});
  Shop roberta(kRoberta, "head");
  roberta.options.settings = {{"optimizer", "lbfgs"}, {"warmup_epochs", "0"}};
  check_throws<UsageError>([&] { tune(roberta.options); }, {"lbfgs", "adamw"});
}

TEST_CASE("texts: batches of like length hold every sample once, and little padding") {
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 1003; ++i) lengths.push_back(1 + i * 7919 % 50);
  auto padding = [&](const std::vector<std::vector<int64_t>>& batches) {
    int64_t sum = 0;
    for (const auto& batch : batches) {
      int64_t most = 0;
      for (int64_t i : batch) most = std::max(most, lengths[static_cast<size_t>(i)]);
      for (int64_t i : batch) sum += most - lengths[static_cast<size_t>(i)];
    }
    return sum;
  };
  auto plain = batches_of(1003, 8, 1, 1), alike = batches_of(1003, 8, 1, 1, lengths);
  CHECK(padding(alike) * 10 < padding(plain));
  CHECK(alike != batches_of(1003, 8, 1, 2, lengths));
  CHECK(alike == batches_of(1003, 8, 1, 1, lengths));
  std::vector<int64_t> seen;
  for (const auto& batch : alike) {
    CHECK(batch.size() <= 9);
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  std::sort(seen.begin(), seen.end());
  REQUIRE(seen.size() == 1003);
  for (size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == static_cast<int64_t>(i));
}

TEST_CASE("texts: a row's logits do not depend on padding; wrong batches are refused") {
  auto network = make_text_classifier(weights::Config::parse("c", kGpt2), 3, 1);
  Tensor alone = Tensor::from(std::vector<int64_t>{2, 5, 6, 0, 0}, {1, 5});
  Tensor padded = Tensor::from(std::vector<int64_t>{2, 5, 6, 9, 9, 0, 0, 0, 0}, {1, 9});
  NoGrad no_grad;
  CHECK(max_relative_difference(network->forward(Var(padded)).value(),
                                network->forward(Var(alone)).value()) <= 1e-6);
  check_throws<Error>([&] { network->forward(Var(Tensor::zeros({1, 4}, DType::i64))); }, {"1 + 2 T"});
  check_throws<UsageError>([&] { network->compute_on(kCpu, DType::bf16); }, {"bf16"});
  CHECK(network->classes() == 3);
}

TEST_CASE("texts: a device's losses are the CPU's") {
  struct Case {
    const char* config;
    bool writes;
  };
  for (Case c : {Case{kBert, false}, Case{kGpt2, false}, Case{kGpt2, true}, Case{kT5, true}}) {
    CAPTURE(c.config);
    Shop shop(c.config, "full", true, c.writes);
    write_file(shop.dir / "text.txt",
               "the film is good and the plot is bad but the music was very good so it is a book");
    if (c.writes) shop.options.data = shop.dir / (c.config == kT5 ? "data" : "text.txt");
    shop.options.out = "";
    shop.options.max_length = 6;
    shop.options.settings = {{"batch", "16"}, {"epochs", "1"}, {"learning_rate", "0.001"}};
    std::vector<double> expected = tune(shop.options).step_losses;
    for (Device device : devices()) {
      CAPTURE(to_text(device));
      shop.options.compute.device = device;
      std::vector<double> found = tune(shop.options).step_losses;
      REQUIRE(found.size() == expected.size());
      for (size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-4));
    }
  }
}
