// Texts through the program: tune, eval, predict, generate, and what docs/json.md says of their files.
#include <cmath>

#include "tests/app/program.h"
#include "tests/transfer/text_shop.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("app: tune, eval and predict take texts") {
  Shop shop(kBert, "head");
  std::string folder = shop.dir.path();
  Ran ran = graft_in(folder,
                     "tune data --weights net --strategy full --epochs 2 --lr 0.003 --out run --json t.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(ran.out.find("of 30 held-out texts right") != std::string::npos);
  auto json = parsed(shop.dir / "t.json");
  CHECK(json["model"] == "bert");
  CHECK(json["weights"] == "net");
  CHECK(json["train_count"] == 60);
  CHECK(json["step_losses"].size() == 4);  // two of 30 or 32 texts in each epoch
  CHECK(json["accuracy"] == json["artefact_accuracy"]);
  CHECK_FALSE(json.contains("perplexity"));
  CHECK(content(shop.dir / "run/report.html").find("held-out texts") != std::string::npos);
  CHECK(content(shop.dir / "run/report.html").find("picture") == std::string::npos);

  // The artefact needs nothing beside it.
  std::filesystem::remove_all(shop.dir / "net");
  ran = graft_in(folder, "eval run/model.graft data/dev.tsv --json e.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(shop.dir / "e.json")["accuracy"] == json["accuracy"]);
  ran = graft_in(folder, "predict run/model.graft 'a very good film' --json p.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto prediction = parsed(shop.dir / "p.json")["predictions"][0];
  CHECK(prediction["text"] == "a very good film");
  CHECK_FALSE(prediction.contains("file"));
  CHECK(prediction["top"].size() == 2);
  ran = graft_in(folder, "inspect run/model.graft --json i.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(shop.dir / "i.json")["tuned"]["model"] == "bert");
  CHECK(ran.out.find("retrained by graft: bert, strategy full") != std::string::npos);
  CHECK(ran.out.find("none of those") == std::string::npos);
  check_complaint(graft_in(folder, "generate --weights run/model.graft --prompt a"), 65, {"graft predict"});
}

TEST_CASE("app: tune teaches a language model, generate goes on") {
  Shop shop(kGpt2, "full", true, true);
  std::string text;
  for (int i = 0; i < 40; ++i) text += "the film is very good and the plot was bad ";
  write_file(shop.dir / "text.txt", text);
  Ran ran = graft_in(
      shop.dir.path(),
      "tune text.txt --weights net --strategy full --max-length 10 --epochs 2 --out run --json t.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(shop.dir / "t.json");
  CHECK(json["perplexity"].get<double>() == doctest::Approx(std::exp(json["loss"].get<double>())));
  CHECK(ran.out.find("perplexity") != std::string::npos);
  std::filesystem::remove_all(shop.dir / "net");
  ran = graft_in(shop.dir.path(),
                 "generate --weights run/model.graft --prompt 'the film' --count 3 --json g.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(shop.dir / "g.json")["tokens"].size() == 3);
}

TEST_CASE("app: what is wrong with a table is told with its line, wrong options before anything is read") {
  Shop shop(kBert, "head");
  std::string folder = shop.dir.path();
  write_file(shop.dir / "bad.csv", "text,label\ngood,1\n\"bad,0\n");
  check_complaint(graft_in(folder, "tune bad.csv --weights net"), 65, {"bad.csv", "line 3", "never closed"});
  CHECK_FALSE(std::filesystem::exists(shop.dir / "graft-out"));
  check_complaint(graft_in(folder, "tune data --weights net --text-column body"), 65, {"no column body"});
  check_complaint(graft_in(folder, "tune data --weights net --format xml"), 64, {"xml", "jsonl"});
  check_complaint(graft_in(folder, "tune data --weights net --header --no-header"), 64, {"either"});
  check_complaint(graft_in(folder, "tune data --weights net --set momentun=0.5"), 64,
                  {"momentun", "momentum"});
  check_complaint(graft_in(folder, "tune data --weights net --precision bf16"), 64, {"bf16"});
  check_complaint(graft_in(folder, "tune data --weights net --max-length 99"), 64, {"12 positions"});
  check_complaint(graft_in(folder, "tune data --weights data/train.tsv"), 64, {"--model is needed"});
}
