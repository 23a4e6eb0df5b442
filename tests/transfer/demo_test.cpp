#include "transfer/demo.h"

#include <fstream>
#include <iterator>

#include "data/meadow/meadow.h"
#include "data/transform.h"
#include "tests/support.h"
#include "transfer/pretrain_meadow.h"
#include "weights/embedded.h"

using namespace graft;
using namespace graft::transfer;
using data::meadow::Flora;

TEST_CASE("demo: a head on the shipped backbone tells the five flowers apart") {
  DemoOptions options;
  options.strategies = {"head"};
  for (uint64_t seed : {uint64_t{21}, uint64_t{22}}) {
    CAPTURE(seed);
    options.seed = seed;
    DemoResult result = run_demo(options);
    REQUIRE(result.runs.size() == 1);
    const RunResult& run = result.runs[0];
    CHECK(run.train_count == 500);
    CHECK(run.test.count == 500);
    CHECK(run.test.accuracy >= 0.88);
    CHECK(run.certificate.frozen_bytes > 0);
    CHECK(run.certificate.frozen_bytes_changed == 0);
    CHECK(run.trainable_parameters == 128 * 5 + 5);
  }
}

TEST_CASE("demo: every strategy runs, and runs again to the same bits") {
  DemoOptions options;
  options.per_class = 6;
  std::vector<std::string> first;
  for (int repeat = 0; repeat < 2; ++repeat) {
    options.epochs = 2;
    DemoResult result = run_demo(options);
    REQUIRE(result.runs.size() == 4);
    for (size_t i = 0; i < 4; ++i) {
      CHECK(result.runs[i].strategy == options.strategies[i]);
      CHECK(result.runs[i].weights.empty() == (i == 0));
      std::string hash = result.runs[i].receipt.at("weights_after_sha256");
      if (repeat == 0) first.push_back(hash);
      CHECK(hash == first[i]);
    }
  }
}

TEST_CASE("demo: pictures to learn from and pictures held out are different ones") {
  PictureSet train = demo_pictures(5, 10, 0), test = demo_pictures(5, 10, 10);
  CHECK(train.classes == data::meadow::species_names(Flora::demo));
  CHECK(train.labels == test.labels);
  for (const auto& a : train.pixels) {
    for (const auto& b : test.pixels) CHECK(a->rgb != b->rgb);
  }
}

TEST_CASE("demo: the checkpoint inside the library is the file in the repository, and says how it was made") {
  std::ifstream file(test::source_dir() + "/weights/meadow.safetensors", std::ios::binary);
  std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::span<const uint8_t> embedded = weights::embedded_backbone_bytes();
  REQUIRE(embedded.size() == bytes.size());
  CHECK(std::equal(bytes.begin(), bytes.end(), embedded.begin()));
  CHECK(bytes.size() <= 4'000'000);

  const auto metadata = weights::embedded_backbone().metadata();
  std::string species;
  for (const std::string& name : data::meadow::species_names(Flora::pretraining))
    species += (species.empty() ? "" : ",") + name;
  CHECK(metadata.at("classes") == species);
  CHECK(metadata.at("model") == kMeadowModel);
  CHECK(data::preprocess_from_json(metadata.at("preprocess")) == meadow_preprocess());
  CHECK(metadata.at("command").starts_with("graft meadow pretrain"));
  for (const std::string& name : data::meadow::species_names(Flora::demo))
    CHECK(metadata.at("classes").find("," + name + ",") == std::string::npos);
}

TEST_CASE("checkpoint: bytes in memory are judged as a file is") {
  std::span<const uint8_t> bytes = weights::embedded_backbone_bytes();
  auto open = [](std::span<const uint8_t> part) {
    return weights::Checkpoint::from_bytes("the bytes", part);
  };
  CHECK(open(bytes).sha256() ==
        weights::Checkpoint::open(test::source_dir() + "/weights/meadow.safetensors").sha256());
  test::check_throws<DataError>([&] { open(bytes.first(bytes.size() - 1)); }, {"the bytes"});
  test::check_throws<DataError>([&] { open(bytes.first(4)); }, {"the bytes"});
  test::check_throws<DataError>([&] { open({}); }, {"the bytes", "empty"});
}

TEST_CASE("demo: pretraining writes a checkpoint, and again trains to the same loss") {
  PretrainOptions options;
  options.epochs = 1;
  options.pictures_per_class = 4;
  options.held_out_per_class = 1;
  test::TempDir folder;
  options.out = folder / "tiny.safetensors";
  options.command = "a test";
  PretrainResult result = pretrain_meadow(options);
  CHECK(result.pictures == 4 * static_cast<int64_t>(data::meadow::species_names(Flora::pretraining).size()));
  weights::Checkpoint saved = weights::Checkpoint::open(options.out);
  CHECK(saved.metadata().at("command") == "a test");
  options.out.clear();
  CHECK(pretrain_meadow(options).epochs[0].train_loss == result.epochs[0].train_loss);
}
