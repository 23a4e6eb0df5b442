// Pictures of one channel and of four through the program.
#include "tests/app/program.h"
#include "tests/transfer/text_shop.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("app: --channels in tune, eval, predict, embed, adapt and inspect") {
  Bench bench;
  Ran ran = bench.run(bench.tune + " --channels 1 --out run --json t.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto json = parsed(bench.dir / "t.json");
  CHECK(json["receipt"]["channels"] == "1");
  CHECK(json["accuracy"] == json["artefact_accuracy"]);
  CHECK(content(bench.dir / "run/report.html").find("3 inputs -&gt; 1") != std::string::npos);

  // The file says how its pictures are read; to name it again is no error, to name another is.
  CHECK(bench.run("eval run/model.graft data --json e.json").code == 0);
  CHECK(parsed(bench.dir / "e.json")["accuracy"] == json["accuracy"]);
  CHECK(bench.run("eval run/model.graft data --channels 1").code == 0);
  check_complaint(bench.run("eval run/model.graft data --channels 4"), 64, {"run/model.graft", "1 channel"});
  CHECK(bench.run("predict run/model.graft data").code == 0);
  ran = bench.run("inspect run/model.graft");
  CHECK(ran.code == 0);
  CHECK(ran.out.find("cifar_resnet20") != std::string::npos);

  // Published weights, read for grey pictures.
  std::string net = " --model cifar_resnet20 --weights net.safetensors --channels 1";
  CHECK(bench.run("predict data --json p.json" + net).code == 0);
  CHECK(bench.run("embed data --json v.json" + net).code == 0);
  CHECK(bench.run("fewshot data --shots 2 --no-cache" + net).code == 0);
  CHECK(bench.run("adapt data --batch 8 --out grey.graft" + net).code == 0);
  CHECK(bench.run("tune data --model cifar_resnet20 --weights grey.graft --no-cache --out two --json u.json")
            .code == 0);
  CHECK(parsed(bench.dir / "u.json")["receipt"]["channels"] == "1");
}

TEST_CASE("app: --channels that do not exist, or not of texts, are refused") {
  Bench bench;
  for (const char* wrong : {"0", "2", "5", "-3"})
    check_complaint(bench.run(bench.tune + " --channels " + wrong), 64, {"channels", wrong, "1 (grey)"});
  CHECK(bench.run(bench.tune + " --channels grey").code == 64);
  check_complaint(bench.run(bench.tune + " --channels 4 --strategy full --set augment.rand_ops=2"), 64,
                  {"augment.rand_ops", "alpha"});
  Shop shop(kBert, "head");
  std::string folder = shop.dir.path();
  check_complaint(graft_in(folder, "tune data --weights net --channels 1"), 64, {"channels 1", "texts"});
  check_complaint(graft_in(folder, "embed --weights net --text hello --channels 1"), 64,
                  {"channels 1", "texts"});
}
