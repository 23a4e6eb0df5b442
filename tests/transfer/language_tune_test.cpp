// Language models through the training loop: GPT-2 on a running text, T5 on pairs.
#include <cmath>

#include "nn/generate.h"
#include "tests/transfer/text_shop.h"
#include "transfer/artefact.h"
#include "transfer/language_data.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

// The same sentence again and again: what follows each word is certain but after "a".
std::string running_text(int times) {
  std::string text;
  for (int i = 0; i < times; ++i)
    text += i % 3 ? "the film is very good and the plot was bad " : "it is a book ";
  return text;
}

std::vector<int64_t> generated(const std::string& path, const std::vector<int64_t>& prompt, int64_t count) {
  Language language = load_language(path);
  FileContents files = carried_files(path);
  CHECK(files.contains("config.json"));
  CHECK(data::open_tokenizer_files(path, files).vocab_size() == 20);
  return nn::generate(*language.model, prompt, {.count = count})[0].tokens;
}

}  // namespace

TEST_CASE("language: GPT-2 learns a running text, model.graft says the same and goes on with it") {
  for (const char* strategy : {"full", "partial:1"}) {
    CAPTURE(strategy);
    Shop shop(kGpt2, strategy, true, true);
    write_file(shop.dir / "text.txt", running_text(60));
    shop.options.data = shop.dir / "text.txt";
    shop.options.max_length = 10;
    shop.options.settings = {{"batch", "8"}, {"epochs", "12"}, {"learning_rate", "0.01"}};
    RunResult result = tune(shop.options);
    CHECK(result.test.samples == Samples::tokens);
    CHECK(result.epochs.back().train_loss < 0.5 * result.epochs.front().train_loss);
    CHECK(result.test.loss < result.epochs.front().test_loss);
    CHECK(result.certificate.frozen_bytes_changed == 0);
    CHECK((result.frozen_tensors > 0) == (std::string(strategy) == "partial:1"));
    CHECK(result.artefact_accuracy == result.test.accuracy);
    CHECK(result.classes.empty());
    if (std::string(strategy) != "full") continue;
    CHECK(result.test.accuracy > 0.8);
    // "the film is" -> "very good and the plot was"
    CHECK(generated(result.artefact, {10, 7, 13}, 6) == std::vector<int64_t>{11, 5, 15, 10, 16, 12});
    Source tuned{.artefact = result.artefact, .model = "", .weights = "", .labels = {}};
    check_throws<UsageError>([&] { predict(tuned, {"a text"}); }, {"graft generate"});
    check_throws<UsageError>([&] { evaluate(tuned, shop.options.data); }, {"graft generate"});
  }
}

TEST_CASE("language: T5 learns pairs of source and target") {
  Shop shop(kT5, "full", true, true);
  std::string pairs = "source\ttarget\n";
  for (int i = 0; i < 60; ++i) {
    const std::string &first = kWords[5 + static_cast<size_t>(i % 5)],
                      &second = kWords[10 + static_cast<size_t>(i % 7)];
    pairs += str(first, " ", second, "\t", second, " ", first, "\n");  // the two words in the other order
  }
  write_file(shop.dir / "pairs.tsv", pairs);
  shop.options.data = shop.dir / "pairs.tsv";
  shop.options.settings = {{"batch", "8"}, {"epochs", "25"}, {"learning_rate", "0.01"}};
  RunResult result = tune(shop.options);
  CHECK(result.epochs.back().train_loss < 0.3 * result.epochs.front().train_loss);
  CHECK(result.test.accuracy > 0.7);
  CHECK(result.test.count == 24);  // two tokens of each of 12 held-out results
  CHECK(result.model == "t5");
  CHECK(generated(result.artefact, {5, 10}, 2).size() == 2);

  // Only the decoder's last block moves.
  shop.options.strategy = "partial:1";
  shop.options.settings[1] = {"epochs", "2"};
  RunResult part = tune(shop.options);
  for (const Moved& moved : part.moved) {
    bool last =
        moved.name.starts_with("decoder.block.1.") || moved.name.starts_with("decoder.final_layer_norm");
    CHECK_MESSAGE((moved.relative_distance > 0) == last, moved.name);
  }
}

TEST_CASE("language: blocks predict each token once") {
  std::vector<int64_t> tokens = {4, 5, 6, 7, 8, 9, 10, 11};
  BlockExamples blocks(tokens, 3, "text");
  REQUIRE(blocks.size() == 3);
  std::vector<int64_t> all = {0, 1, 2};
  Tensor inputs = blocks.inputs(all), targets = blocks.targets(all);
  CHECK(inputs.shape() == Shape({3, 3}));
  auto values = [](const Tensor& t) {
    auto span = t.span<int64_t>();
    return std::vector<int64_t>(span.begin(), span.end());
  };
  CHECK(values(inputs) == std::vector<int64_t>{4, 5, 6, 7, 8, 9, 10, 0, 0});
  CHECK(values(targets) == std::vector<int64_t>{5, 6, 7, 8, 9, 10, 11, -100, -100});
  std::vector<int64_t> last = {2};
  CHECK(values(blocks.part(last)->inputs(std::vector<int64_t>{0})) == std::vector<int64_t>{10});
  auto [train, test] = blocks.held_out(0.1);
  CHECK(train->size() == 2);
  CHECK(test->size() == 1);
  check_throws<DataError>([] { BlockExamples({1}, 3, "short.txt"); }, {"short.txt", "1 token"});
  check_throws<DataError>([&] { BlockExamples(tokens, 100, "text").held_out(0.5); }, {"one block"});
}

TEST_CASE("language: what does not fit is told") {
  Shop gpt2(kGpt2, "head", true, true);
  write_file(gpt2.dir / "text.txt", running_text(20));
  gpt2.options.data = gpt2.dir / "text.txt";
  gpt2.options.settings = {{"optimizer", "adamw"}};
  check_throws<UsageError>([&] { tune(gpt2.options); }, {"no head", "partial:N"});
  gpt2.options.task = "words";
  check_throws<UsageError>([&] { tune(gpt2.options); }, {"words", "classes and language"});
  Shop t5(kT5, "full", true, true);
  t5.options.task = "classes";
  check_throws<UsageError>([&] { tune(t5.options); }, {"T5 answers in words"});
  t5.options.task = "";
  write_file(t5.dir / "three.csv", "a,b,c\n");
  t5.options.data = t5.dir / "three.csv";
  check_throws<DataError>([&] { tune(t5.options); }, {"sources and one of targets", "3 columns"});
  Shop bert(kBert, "full");
  bert.options.task = "language";
  check_throws<UsageError>([&] { tune(bert.options); }, {"bert", "writes no texts"});
  bert.options.task = "";
  RunResult classifier = tune(bert.options);
  check_throws<DataError>([&] { load_language(classifier.artefact); }, {"classifier", "graft predict"});
}
