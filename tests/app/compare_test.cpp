// graft compare, through the program.
#include <doctest/doctest.h>

#include <filesystem>

#include "core/file.h"
#include "tests/app/program.h"
#include "tests/nn/vision.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

TEST_CASE("app: compare writes results, a table and a page, and again the same but for the times") {
  Bench at(10);
  const std::string command =
      "compare data --model cifar_resnet20 --weights net.safetensors --per-class 6,2 --methods "
      "knn,probe,full "
      "--set full.epochs=1 --seed 4 --threads 2 --no-cache --out ladder --json c.json";
  Ran ran = at.run(command);
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(at.dir / "c.json");
  REQUIRE(json["results"].size() == 6);
  for (size_t i = 0; i < 6; ++i) {
    const auto& row = json["results"][i];
    CHECK(row["method"] == std::vector<std::string>{"knn", "probe", "full"}[i / 2]);
    CHECK(row["per_class"] == (i % 2 ? 6 : 2));
    CHECK(row["accuracy"].get<double>() >= 0);
    CHECK(row["accuracy"].get<double>() <= 1);
    CHECK(row["seconds"].get<double>() > 0);
    CHECK(row["peak_memory_bytes"].get<int64_t>() > 1000);
  }
  CHECK(json["results"][0]["trainable_parameters"] == 0);
  CHECK(json["results"][2]["trainable_parameters"] == 64 * 2 + 2);
  CHECK(json["results"][5]["strategy"] == "full");
  CHECK(json["count"] == 4);
  CHECK(json["seed"] == 4);
  CHECK(content(at.dir / "ladder/metrics.json") == content(at.dir / "c.json"));
  std::string page = content(at.dir / "ladder/compare.html");
  CHECK(page.find("<svg") != std::string::npos);
  CHECK(page.find("http") == std::string::npos);
  for (const char* part : {"method", "2 a class", "6 a class", "knn", "full", "ladder: compare.html",
                           "knn, 2 a class: ", "full, 6 a class: "})
    CHECK_MESSAGE(ran.out.find(part) != std::string::npos, part);

  ran = at.run(command);
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto again = parsed(at.dir / "c.json");
  for (size_t i = 0; i < 6; ++i) CHECK(again["results"][i]["accuracy"] == json["results"][i]["accuracy"]);
}

TEST_CASE("app: compare says what is wrong with what was asked for") {
  Bench at(5);
  const std::string command = "compare data --model cifar_resnet20 --weights net.safetensors --no-cache ";
  check_complaint(at.run(command + "--methods knn,porbe"), 64, {"porbe", "probe"});
  check_complaint(at.run(command + "--methods knn,knn"), 64, {"knn", "twice"});
  check_complaint(at.run(command + "--methods knn,,probe"), 64, {"--methods", "commas"});
  check_complaint(at.run(command + "--methods zeroshot"), 64, {"zeroshot", "CLIP"});
  check_complaint(at.run(command + "--per-class 2,0"), 64, {"0 training samples"});
  check_complaint(at.run(command + "--per-class 2,2"), 64, {"2 training samples", "twice"});
  check_complaint(at.run(command + "--per-class few"), 64, {"--per-class", "few"});
  check_complaint(at.run(command + "--per-class 9"), 65, {"9 training samples", "\"blue\" 4", "\"red\" 4"});
  check_complaint(at.run(command + "--test-fraction 1"), 64, {"--test-fraction"});
  check_complaint(at.run("compare data --model cifar_resnet2 --weights net.safetensors"), 64,
                  {"cifar_resnet2"});
  check_complaint(at.run("compare data --weights net.safetensors"), 64, {"--model"});
  check_complaint(at.run("compare data --model cifar_resnet20"), 64, {"--weights"});
  CHECK_FALSE(fs::exists(at.dir / "graft-out"));
}

TEST_CASE("app: compare's ladder begins with the classes' names where the network is a CLIP") {
  TempDir dir;
  fs::copy(vision_folder("clip-zeroshot"), dir / "clip");
  draw_class(dir / "data/rose", 200, 20, 30, 5);
  draw_class(dir / "data/daisy", 30, 40, 220, 5);
  Ran ran = graft_in(dir.path(),
                     "compare data --weights clip --per-class 1,4 --set epochs=1 --no-cache --json c.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(dir / "c.json");
  CHECK(json["methods"][0] == "zeroshot");
  CHECK(json["methods"].back() == "scratch");
  CHECK(json["results"][0]["per_class"] == 0);
  CHECK(json["results"][0]["trainable_parameters"] == 0);
  CHECK(json["results"].size() == 1 + 2 * (json["methods"].size() - 1));

  // Of the same pictures it is what graft zeroshot says.
  ran = graft_in(dir.path(), "zeroshot --weights clip data --json z.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  ran = graft_in(dir.path(),
                 "compare both --weights clip --methods zeroshot --per-class 1 --no-cache --json d.json");
  check_complaint(ran, 65, {"both"});
  fs::create_directory(dir / "both");
  fs::copy(dir / "data", dir / "both/train", fs::copy_options::recursive);
  fs::copy(dir / "data", dir / "both/test", fs::copy_options::recursive);
  ran = graft_in(dir.path(),
                 "compare both --weights clip --methods zeroshot --per-class 1 --no-cache --json d.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(dir / "d.json")["results"][0]["accuracy"] == parsed(dir / "z.json")["accuracy"]);
}
