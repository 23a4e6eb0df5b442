#include "transfer/tune.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "nn/models/registry.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/artefact.h"
#include "transfer/certificate.h"
#include "transfer/peft.h"
#include "weights/checkpoint.h"
#include "weights/load.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

// A data folder with train/ and test/, and a published network for it.
struct Workshop {
  TempDir folder;
  TuneOptions options;

  Workshop() {
    write_folder(drawn_pictures(3, 6, 32, 1), folder / "data/train");
    write_folder(drawn_pictures(3, 3, 32, 2), folder / "data/test");
    auto network = nn::make_classifier("cifar_resnet20", 10, 4);
    weights::save(*network, folder / "published.pth");
    options.data = folder / "data";
    options.model = "cifar_resnet20";
    options.weights = folder / "published.pth";
    options.out = folder / "out";
    options.cache = false;
  }
  std::string artefact() const { return folder / "out/model.graft"; }
  Source tuned() const { return {.artefact = artefact(), .model = "", .weights = "", .labels = {}}; }
  std::vector<std::string> pictures() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "data/test")) {
      if (entry.is_regular_file()) out.push_back(entry.path().string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
};

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The artefact's tensors under changed metadata, as a foreign or later program might write them.
void rewrite(const std::string& from, const std::string& to,
             const std::function<void(weights::Metadata&)>& change) {
  auto file = weights::Checkpoint::open(from);
  std::vector<weights::SavedTensor> tensors;
  for (const weights::Entry& entry : file.entries()) tensors.push_back({entry.name, file.read(entry.name)});
  weights::Metadata metadata = file.metadata();
  metadata.erase("graft.sha256");
  metadata.erase("graft.writer");
  change(metadata);
  weights::save_safetensors(to, tensors, metadata);
}

}  // namespace

TEST_CASE("tune: leaves a complete artefact that says the same after loading") {
  Workshop shop;
  RunResult result = tune(shop.options);
  CHECK(result.artefact == shop.artefact());
  CHECK(result.artefact_accuracy == result.test.accuracy);
  CHECK(result.test.count == 9);
  CHECK(result.train_count == 18);
  CHECK(result.weights == "published.pth");
  CHECK(result.ledger.size() == nn::named_tensors(*nn::make_classifier("cifar_resnet20", 10)).size());
  CHECK(!std::filesystem::exists(shop.artefact() + ".unchecked"));

  Artefact artefact = load_artefact(shop.artefact());
  CHECK(artefact.model == "cifar_resnet20");
  CHECK(artefact.strategy == "head");
  CHECK(artefact.labels == std::vector<std::string>{"kind0", "kind1", "kind2"});
  CHECK(artefact.settings == result.settings);
  CHECK(artefact.frozen_tensors == result.frozen_tensors);
  CHECK(artefact.certificate_digest == result.certificate.digest);
  CHECK(weights_sha256(*artefact.network) == result.receipt.at("weights_after_sha256"));

  EvaluateResult again = evaluate(shop.tuned(), shop.options.data);
  CHECK(again.evaluation.accuracy == result.test.accuracy);
  CHECK(again.evaluation.loss == result.test.loss);
}

TEST_CASE("tune: equal runs make equal files") {
  Workshop shop;
  shop.options.strategy = "partial:1";
  Recipe recipe = default_recipe(shop.options.model, parse_strategy("partial:1"));
  recipe.epochs = 1;
  shop.options.recipe = recipe;
  tune(shop.options);
  std::string first = bytes_of(shop.artefact());
  tune(shop.options);
  CHECK(bytes_of(shop.artefact()) == first);
  shop.options.seed = 1;
  tune(shop.options);
  CHECK(bytes_of(shop.artefact()) != first);
}

TEST_CASE("tune: every way of training little leaves an artefact that says the same after loading") {
  for (const char* strategy : {"bitfit", "lora:2", "adapters:3", "gradual"}) {
    INFO(strategy);
    Workshop shop;
    shop.options.strategy = strategy;
    shop.options.settings = {{"epochs", "2"}, {"learning_rate", "0.01"}};
    RunResult result = tune(shop.options);
    CHECK(result.artefact_accuracy == result.test.accuracy);
    CHECK(result.certificate.frozen_bytes_changed == 0);
    EvaluateResult again = evaluate(shop.tuned(), shop.options.data);
    CHECK(again.evaluation.loss == result.test.loss);
    CHECK_FALSE(std::filesystem::exists(shop.folder / "out/checkpoints"));
    bool lora = std::string(strategy) == "lora:2", bottlenecks = std::string(strategy) == "adapters:3";
    CHECK(result.adapted.empty() == !(lora || bottlenecks));
    bool under_own_names = true;  // or with tensors that the publisher's network has not
    auto file = weights::Checkpoint::open(shop.artefact());
    for (const weights::Entry& entry : file.entries())
      under_own_names = under_own_names && entry.name.find("adapter") == std::string::npos;
    CHECK(under_own_names == !bottlenecks);
    if (!lora) continue;

    // The updates alone, on the published network, say what the merged network says.
    auto network = nn::make_classifier("cifar_resnet20", 10);
    weights::load(*network, weights::Checkpoint::open(shop.options.weights)).require_complete();
    network->replace_head(3, 0);
    load_peft(*network, shop.folder / "out/adapter");
    network->eval();
    Artefact merged = load_artefact(shop.artefact());
    NoGrad no_grad;
    Var x(random_tensor({2, 32, 32, 3}, 5, DType::f32));
    CHECK(max_relative_difference(network->forward(x).value(), merged.network->forward(x).value()) <= 1e-5);
  }
}

TEST_CASE("predict: what a picture is does not depend on the others") {
  Workshop shop;
  tune(shop.options);
  std::vector<std::string> files = shop.pictures();
  std::vector<Prediction> all = predict(shop.tuned(), files);
  REQUIRE(all.size() == files.size());
  for (size_t i = 0; i < files.size(); i += 2) {
    Prediction alone = predict(shop.tuned(), {files[i]}).at(0);
    CHECK(alone.file == files[i]);
    CHECK(alone.label == all[i].label);
    CHECK(alone.probability == all[i].probability);
    REQUIRE(alone.top.size() == 3);  // of three classes
    double sum = 0;
    for (const Guess& guess : alone.top) sum += guess.probability;
    CHECK(sum == doctest::Approx(1));
    CHECK(alone.top[0].probability >= alone.top[1].probability);
    CHECK(alone.top[0].label == alone.label);
  }
}

TEST_CASE("predict: an unreadable picture is told, the others are predicted") {
  Workshop shop;
  std::ofstream(shop.folder / "broken.jpg") << "no picture";
  Source published{
      .artefact = "", .model = shop.options.model, .weights = shop.options.weights, .labels = {}};
  std::vector<Prediction> some = predict(published, {shop.folder / "broken.jpg", shop.pictures()[0]});
  CHECK(some[0].error.find("broken.jpg") != std::string::npos);
  CHECK(some[0].top.empty());
  CHECK(some[1].error.empty());
  CHECK(some[1].top.size() == 5);  // CIFAR-10's own labels
  CHECK(nn::label_names(nn::Labels::cifar10)[static_cast<size_t>(some[1].top[0].index)] == some[1].label);
  check_throws<DataError>([&] { predict(published, {shop.folder / "broken.jpg"}); },
                          {"no picture", "broken.jpg"});
  published.labels = {"one", "two"};
  check_throws<DataError>([&] { predict(published, {shop.pictures()[0]}); }, {"2 labels", "10 classes"});
}

TEST_CASE("evaluate: a class folder that is no label is named") {
  Workshop shop;
  Source published{
      .artefact = "", .model = shop.options.model, .weights = shop.options.weights, .labels = {}};
  check_throws<DataError>([&] { evaluate(published, shop.options.data); }, {"kind0", "labels"});
}

TEST_CASE("tune: a network that tune made can be tuned again, and scratch needs no weights") {
  Workshop shop;
  tune(shop.options);
  shop.options.weights = shop.artefact();
  shop.options.out = shop.folder / "again";
  CHECK(tune(shop.options).classes.size() == 3);
  shop.options.weights = "";
  check_throws<UsageError>([&] { tune(shop.options); }, {"head", "weights"});
  shop.options.strategy = "scratch";
  Recipe recipe = default_recipe(shop.options.model, parse_strategy("scratch"));
  recipe.epochs = 1;
  shop.options.recipe = recipe;
  RunResult result = tune(shop.options);
  CHECK(result.frozen_tensors == 0);
  CHECK(result.ledger.empty());
}

TEST_CASE("tune: a failed run leaves the older artefact as it was") {
  Workshop shop;
  tune(shop.options);
  std::string before = bytes_of(shop.artefact());
  std::ofstream(shop.folder / "data/train/kind1/bad.png") << "no picture";
  check_throws<DataError>([&] { tune(shop.options); }, {"bad.png"});
  CHECK(bytes_of(shop.artefact()) == before);
  shop.options.out = "/dev/null/out";
  check_throws<DiskError>([&] { tune(shop.options); }, {"/dev/null/out"});
}

TEST_CASE("tune: weights of another network are refused with the report") {
  Workshop shop;
  shop.options.model = "cifar_resnet32";
  check_throws<DataError>([&] { tune(shop.options); }, {"published.pth", "layer1.3"});
  shop.options.model = "cifar_resnet21";
  check_throws<UsageError>([&] { tune(shop.options); }, {"cifar_resnet21", "cifar_resnet20"});
}

TEST_CASE("artefact: foreign and damaged files are refused, saying why") {
  Workshop shop;
  tune(shop.options);
  std::string good = shop.artefact(), bad = shop.folder / "bad.graft";
  auto refused = [&](const std::vector<std::string>& parts,
                     const std::function<void(weights::Metadata&)>& change) {
    rewrite(good, bad, change);
    check_throws<DataError>([&] { load_artefact(bad); }, parts);
  };
  CHECK_NOTHROW(load_artefact(good));
  refused({"bad.graft", "no model.graft"}, [](weights::Metadata& m) { m.clear(); });
  for (const char* key : {"graft.format", "graft.labels", "graft.preprocess", "graft.strategy",
                          "graft.recipe", "graft.certificate", "graft.receipt"}) {
    refused({"bad.graft", key, "missing"}, [&](weights::Metadata& m) { m.erase(key); });
  }
  refused({"format 2", "format 1"}, [](weights::Metadata& m) { m["graft.format"] = "2"; });
  refused({"unknown model", "resnet_of_tomorrow"},
          [](weights::Metadata& m) { m["graft.model"] = "resnet_of_tomorrow"; });
  refused({"bad.graft", "layer1.3"}, [](weights::Metadata& m) { m["graft.model"] = "cifar_resnet32"; });
  refused({"2 labels", "linear.weight"}, [](weights::Metadata& m) { m["graft.labels"] = "[\"a\",\"b\"]"; });
  refused({"1 labels"}, [](weights::Metadata& m) { m["graft.labels"] = "[\"a\"]"; });
  refused({"graft.labels", "does not hold"}, [](weights::Metadata& m) { m["graft.labels"] = "[1,"; });
  refused({"graft.certificate"}, [](weights::Metadata& m) { m["graft.certificate"] = "{}"; });
  refused({"bad.graft", "crop"}, [](weights::Metadata& m) { m["graft.preprocess"] = "{\"resize\":32}"; });

  std::string bytes = bytes_of(good);
  bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 1);
  std::ofstream(bad, std::ios::binary) << bytes;
  check_throws<DataError>([&] { load_artefact(bad); }, {"bad.graft"});
  check_throws<DataError>([&] { load_artefact(shop.options.weights); }, {"published.pth", "no model.graft"});
  check_throws<DataError>([&] { load_artefact(shop.folder / "missing.graft"); }, {"missing.graft"});
}

TEST_CASE("tune: a new head on published MobileNetV2 tells real flowers apart, from a tenth of the photos") {
  GRAFT_NEEDS_ASSETS();
  data::Dataset dataset = data::scan_folder(env::assets() + "/photos/flowers");
  auto every_tenth = [](const std::vector<data::Sample>& all) {
    std::vector<data::Sample> out;
    for (size_t i = 0; i < all.size(); i += 10) out.push_back(all[i]);
    return out;
  };
  TempDir folder;
  for (const auto& samples : {every_tenth(dataset.train), every_tenth(dataset.test)}) {
    for (const data::Sample& sample : samples) {
      std::filesystem::path to = folder / sample.file;
      std::filesystem::create_directories(to.parent_path());
      std::filesystem::copy_file(dataset.path(sample), to);
    }
  }
  TuneOptions options;
  options.data = folder.path();
  options.model = "mobilenet_v2";
  options.weights = env::assets() + "/weights/mobilenet_v2.pth";
  options.out = folder / "out";
  options.cache = false;
  RunResult result = tune(options);
  CHECK(result.test.count == 50);
  CHECK(result.test.accuracy >= 0.7);  // chance is 0.2
  CHECK(result.trainable_parameters == 1280 * 5 + 5);
  CHECK(result.certificate.frozen_bytes_changed == 0);
}
