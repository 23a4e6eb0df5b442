// graft zeroshot, graft embed for pictures, and graft inspect of published folders, through the program.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "core/file.h"
#include "tests/app/program.h"
#include "tests/nn/vision.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

namespace {

// A folder "clip" as published, and two classes of pictures in "data".
struct Published {
  TempDir dir;
  Published() {
    fs::copy(vision_folder("clip-zeroshot"), dir / "clip");
    draw_class(dir / "data/rose", 200, 20, 30, 3);
    draw_class(dir / "data/daisy", 30, 40, 220, 3);
  }
  Ran run(const std::string& arguments) { return graft_in(dir.path(), arguments); }
};

}  // namespace

TEST_CASE("app: zeroshot writes predictions as predict does, and accuracy for class folders") {
  Published at;
  Ran ran = at.run(
      "zeroshot --weights clip --labels 'rose,daisy , tulip field' --template 'a photo of a {}.' --template "
      "'{}' "
      "--template 'two {}, side by side' clip/picture.png --json z.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(at.dir / "z.json"), expected = parsed(vision_folder("clip-zeroshot") + "/golden.json");
  REQUIRE(json["predictions"].size() == 1);
  CHECK(json["predictions"][0]["file"] == "clip/picture.png");
  CHECK(json["predictions"][0]["label"] == "rose");
  CHECK(json["predictions"][0]["top"].size() == 3);
  for (const auto& guess : json["predictions"][0]["top"]) {
    double p = expected["probabilities"][guess["index"].get<size_t>()];
    CHECK(guess["probability"].get<double>() == doctest::Approx(p).epsilon(2e-5));
  }
  CHECK(json["device"] == "cpu");
  CHECK(json["labels"] == expected["labels"]);
  CHECK(json["templates"] == expected["templates"]);
  CHECK_FALSE(json.contains("accuracy"));

  ran = at.run("zeroshot --weights clip data --json z.json");  // the classes are the labels
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  json = parsed(at.dir / "z.json");
  CHECK(json["labels"] == std::vector<std::string>{"daisy", "rose"});
  CHECK(json["predictions"].size() == 6);
  CHECK(json["count"] == 6);
  int right = 0;
  for (const auto& p : json["predictions"]) {
    std::string label = p["label"], file = p["file"];
    right += file.find("/" + label + "/") != std::string::npos;
  }
  CHECK(json["accuracy"].get<double>() == doctest::Approx(right / 6.0));
  CHECK(ran.out.find(str("accuracy ")) != std::string::npos);
  CHECK(ran.out.find(str(right, " of 6")) != std::string::npos);

  write_file(at.dir / "labels.txt", "rose\ndaisy, white\n");
  ran = at.run("zeroshot --weights clip --label-file labels.txt data/rose --json z.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  json = parsed(at.dir / "z.json");
  CHECK(json["labels"][1] == "daisy, white");
  CHECK_FALSE(json.contains("accuracy"));
}

TEST_CASE("app: zeroshot goes on past an unreadable picture, and refuses what does not fit") {
  Published at;
  write_file(at.dir / "data/rose/bad.png", "no picture");
  Ran ran = at.run("zeroshot --weights clip --labels rose,daisy data/rose --json z.json");
  check_complaint(ran, 65, {"bad.png"});
  auto json = parsed(at.dir / "z.json");
  CHECK(json["predictions"].size() == 4);
  CHECK(json["predictions"][3].contains("error"));

  auto fails = [&](const std::string& arguments, int code, const std::vector<std::string>& said) {
    CAPTURE(arguments);
    check_complaint(at.run("zeroshot " + arguments), code, said);
  };
  fails("--weights clip --labels rose data/rose", 64, {"1 label", "two or more"});
  fails("--weights clip --labels rose,rose data/rose", 64, {"rose", "twice"});
  fails("--weights clip --labels rose,,daisy data/rose", 64, {"label 2", "empty"});
  fails("--weights clip clip/picture.png", 64, {"--labels"});
  fails("--weights clip --labels rose,daisy", 64, {"pictures"});
  fails("--weights clip --labels rose,daisy --template 'a photo' data", 64, {"a photo", "{}"});
  fails("--weights clip --labels rose,daisy --label-file x data", 64, {"not both"});
  fails("--weights clip --labels rose,daisy nowhere.png", 65, {"nowhere.png"});
  fs::create_directory(at.dir / "empty");
  fails("--weights clip --labels rose,daisy empty", 65, {"empty", "no .jpg"});
  fails("--weights data --labels rose,daisy data", 65, {"data"});
  fails("--weights clip --labels rose,daisy data --device cuda:99", 70, {"cuda:99"});
}

TEST_CASE("app: embed of pictures and of CLIP's texts") {
  Published at;
  Ran ran = at.run("embed --weights clip clip/picture.png data --normalize --json e.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(at.dir / "e.json");
  auto expected =
      parsed(vision_folder("clip-zeroshot") + "/golden.json")["image_features"].get<std::vector<double>>();
  CHECK(json["count"] == 7);
  CHECK(json["width"] == 8);
  CHECK(json["files"][0] == "clip/picture.png");
  CHECK(json["files"][1] == "data/daisy/0.png");
  for (size_t c = 0; c < 8; ++c)
    CHECK(json["embeddings"][0][c].get<double>() == doctest::Approx(expected[c]).epsilon(2e-5));
  ran = at.run("embed --weights clip --text 'a rose' --text 'a daisy' --json e.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  json = parsed(at.dir / "e.json");
  CHECK(json["embeddings"].size() == 2);
  CHECK(json["embeddings"][0] != json["embeddings"][1]);
  write_file(at.dir / "texts.txt", "a daisy\na rose\n");
  ran = at.run("embed --weights clip texts.txt --json f.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(std::abs(parsed(at.dir / "f.json")["embeddings"][1][0].get<double>() -
                 json["embeddings"][0][0].get<double>()) <= 1e-6);

  Bench bench;  // a small convolutional network
  ran = bench.run("embed --weights net.safetensors --model cifar_resnet20 data --batch 3 --json e.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  json = parsed(bench.dir / "e.json");
  CHECK(json["width"] == 64);
  CHECK(json["embeddings"].size() == json["files"].size());

  check_complaint(at.run("embed --weights clip nowhere"), 65, {"nowhere"});
  check_complaint(bench.run("embed --weights net.safetensors data"), 64, {"--model"});
  check_complaint(bench.run("embed --weights net.safetensors --model cifar_resnet20 --text a"), 64,
                  {"--text"});
}

TEST_CASE("app: inspect says what a published folder is and what loads where") {
  Published at;
  Ran ran = at.run("inspect clip --ledger --json i.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(ran.out.find("CLIP, pictures of 18 x 18 pixels") != std::string::npos);
  CHECK(ran.out.find("visual_projection.weight -> visual_projection.weight") != std::string::npos);
  CHECK(ran.out.find("none of those") == std::string::npos);
  CHECK(parsed(at.dir / "i.json")["family"] == "clip");
  fs::copy(vision_folder("vit-huggingface"), at.dir / "vit");
  ran = at.run("inspect vit");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(ran.out.find("ViT, pictures of 17 x 17 pixels in patches of 5, 2 layers of width 24") !=
        std::string::npos);

  Bench bench;
  fs::copy(at.dir / "vit/config.json", bench.dir / "config.json");
  ran = bench.run("inspect net.safetensors");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(ran.out.find("network cifar_resnet20") != std::string::npos);
  CHECK(ran.out.find("ViT") == std::string::npos);

  ran = at.run("predict --weights vit clip/picture.png --json p.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(at.dir / "p.json")["predictions"][0]["top"].size() == 3);
}
