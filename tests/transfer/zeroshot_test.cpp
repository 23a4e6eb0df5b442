// Zero-shot classification and vectors of pictures and texts by CLIP, against transformers' own
// preprocessing, tokenizer and network.
#include "transfer/zeroshot.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "tests/app/program.h"
#include "tests/nn/vision.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/embed.h"

using namespace graft;
using namespace graft::test;
using transfer::load_clip;
namespace fs = std::filesystem;

namespace {

const std::string& folder() {
  static const std::string path = vision_folder("clip-zeroshot");
  return path;
}

nlohmann::json golden() {
  return nlohmann::json::parse(std::ifstream(folder() + "/golden.json"));
}

std::string copied(const TempDir& dir) {
  fs::copy(folder(), dir / "clip");
  return dir / "clip";
}

transfer::ZeroShot of(std::vector<std::string> labels, std::vector<std::string> templates = {}) {
  return {.weights = folder(), .labels = std::move(labels), .templates = std::move(templates)};
}

}  // namespace

TEST_CASE("zeroshot: probabilities are transformers', from the picture file to the last softmax") {
  auto expected = golden();
  std::vector<std::string> labels = expected["labels"];
  auto classifier = transfer::open_zeroshot(of(labels, expected["templates"]));
  CHECK(classifier.strategy == "zeroshot");
  auto predictions = transfer::predict(classifier, {folder() + "/picture.png"});
  REQUIRE(predictions.size() == 1);
  REQUIRE(predictions[0].top.size() == 3);
  for (const transfer::Guess& guess : predictions[0].top) {
    CAPTURE(guess.label);
    CHECK(guess.label == labels[static_cast<size_t>(guess.index)]);
    double p = expected["probabilities"][static_cast<size_t>(guess.index)];
    CHECK(guess.probability == doctest::Approx(p).epsilon(2e-5));
  }
  CHECK(predictions[0].label == "rose");
}

TEST_CASE("zeroshot: the templates that ship, and each label's vector for itself") {
  const auto& templates = transfer::prompt_templates();
  CHECK(templates.size() == 10);
  auto loaded = load_clip(folder());
  auto tokenizer = data::open_tokenizer(folder());
  Tensor all = transfer::class_vectors(*loaded.model, tokenizer, {"rose", "daisy", "oak"}, templates);
  CHECK(all.shape() == Shape{3, 8});
  for (int64_t i = 0; i < 3; ++i) {
    double squares = 0;
    for (int64_t c = 0; c < 8; ++c) squares += std::pow(all.data<float>()[i * 8 + c], 2);
    CHECK(squares == doctest::Approx(1).epsilon(1e-5));
  }
  Tensor two = transfer::class_vectors(*loaded.model, tokenizer, {"oak", "rose"}, templates);
  CHECK(max_relative_difference(two.slice(0, 1, 2).contiguous(), all.slice(0, 0, 1).contiguous()) <= 1e-5);
  Tensor other = transfer::class_vectors(*loaded.model, tokenizer, {"rose", "oak"}, {"{}"});
  CHECK(max_relative_difference(other.slice(0, 0, 1).contiguous(), all.slice(0, 0, 1).contiguous()) > 1e-3);
}

TEST_CASE("embed: CLIP's vectors of pictures and texts, and those of other picture networks") {
  auto encoder = transfer::open_picture_encoder(folder());
  CHECK(encoder.model == "clip");
  std::string picture = folder() + "/picture.png";
  Tensor vectors = transfer::embed_pictures(encoder, {picture, picture}, {.normalize = true}).vectors;
  CHECK(vectors.shape() == Shape{2, 8});
  auto expected = golden()["image_features"].get<std::vector<double>>();
  for (size_t c = 0; c < 8; ++c)
    CHECK(vectors.data<float>()[8 + c] == doctest::Approx(expected[c]).epsilon(2e-5));
  Tensor longer = transfer::embed_pictures(encoder, {picture}).vectors;
  CHECK(max_relative_difference(normalize_rows(Var(longer)).value(), vectors.slice(0, 0, 1).contiguous()) <=
        1e-5);

  auto loaded = load_clip(folder());
  auto tokenizer = data::open_tokenizer(folder());
  auto texts = transfer::embed_texts(*loaded.model, tokenizer, {"a rose", "", "two daisies in a field"},
                                     {.normalize = true});
  CHECK(texts.vectors.shape() == Shape{3, 8});
  CHECK(texts.truncated == 0);
  auto alone = transfer::embed_texts(*loaded.model, tokenizer, {"a rose"}, {.normalize = true});
  CHECK(max_relative_difference(alone.vectors, texts.vectors.slice(0, 0, 1).contiguous()) <= 1e-5);

  auto vit = transfer::open_picture_encoder(vision_folder("vit-huggingface"));
  CHECK(transfer::embed_pictures(vit, {picture}).vectors.shape() == Shape{1, 24});
  check_throws<UsageError>([&] { transfer::embed_pictures(encoder, {}); }, {"no pictures"});
  check_throws<DataError>([&] { transfer::embed_pictures(encoder, {folder() + "/vocab.json"}); },
                          {"vocab.json"});
  check_throws<UsageError>(
      [&] { transfer::open_picture_encoder(vision_folder("vit-torchvision") + "/weights.pth"); },
      {"weights.pth", "--model"});
}

TEST_CASE("zeroshot: accuracy where folders name the classes") {
  TempDir dir;
  auto guess = [](const std::string& file, const std::string& label) {
    transfer::Prediction made;
    made.file = file;
    made.label = label;
    return made;
  };
  transfer::PictureSet set = drawn_pictures(2, 2, 6, 1);
  write_folder(set, dir / "flowers");  // train/kind0, train/kind1
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(dir / "flowers"))
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  REQUIRE(files.size() == 4);
  std::vector<transfer::Prediction> right;
  for (const std::string& file : files)
    right.push_back(guess(file, file.find("kind0") != std::string::npos ? "kind0" : "kind1"));
  right[0].label = right[0].label == "kind0" ? "kind1" : "kind0";
  std::vector<std::string> labels = {"kind1", "kind0", "kind2"};
  for (const char* written : {"flowers", "flowers/", "./flowers//"}) {
    auto found = transfer::accuracy_by_folder(right, {dir / written}, labels);
    CHECK(found.count == 4);
    CHECK(found.right == 3);
    CHECK(found.accuracy() == 0.75);
  }
  CHECK(transfer::accuracy_by_folder(right, {dir / "flowers"}, {"kind1", "other"}).count == 0);
  CHECK(transfer::accuracy_by_folder(right, {dir / "flowers/train/kind0"}, labels).count == 0);
  right[1].error = "unreadable";
  CHECK(transfer::accuracy_by_folder(right, {dir / "flowers"}, labels).count == 3);
}

TEST_CASE("zeroshot: labels, templates and tokenizers that do not fit are refused") {
  auto refused = [](std::vector<std::string> labels, std::vector<std::string> templates,
                    const std::vector<std::string>& parts) {
    check_throws<UsageError>([&] { transfer::open_zeroshot(of(labels, templates)); }, parts);
  };
  refused({}, {}, {"0 labels", "two or more"});
  refused({"rose"}, {}, {"1 label,", "two or more"});
  refused({"rose", " "}, {}, {"label 2 is empty"});
  refused({"rose", ""}, {}, {"label 2 is empty"});
  refused({"rose", "oak", "rose"}, {}, {"\"rose\"", "twice"});
  refused({"rose", "o\xFFk"}, {}, {"label 2", "UTF-8"});
  refused({"rose", "oak"}, {"a photo"}, {"\"a photo\"", "{}"});

  TempDir dir;
  std::string clip = copied(dir);
  auto open = [&] {
    transfer::ZeroShot options = of({"rose", "oak"});
    options.weights = clip;
    transfer::open_zeroshot(options);
  };
  open();
  std::string vocabulary = content(clip + "/vocab.json");
  write_file(clip + "/vocab.json", vocabulary.substr(0, vocabulary.rfind('}')) + ", \"surplus</w>\": 823}");
  check_throws<DataError>(open, {"824", "823", "CLIP"});
  fs::remove(clip + "/vocab.json");
  check_throws<DataError>(open, {"vocab.json"});
  fs::remove(clip + "/config.json");
  check_throws<DataError>(open, {"config.json"});
  check_throws<DataError>(
      [&] {
        transfer::ZeroShot options = of({"rose", "oak"});
        options.weights = vision_folder("vit-huggingface");
        transfer::open_zeroshot(options);
      },
      {"model_type", "vit", "clip"});
}
