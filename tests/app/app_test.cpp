// The real program, through what its callers see: exit codes, one line on standard error, JSON.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/file.h"
#include "data/image.h"
#include "nn/models/registry.h"
#include "tests/app/program.h"
#include "tests/crash/traced.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

TEST_CASE("app: version, help, and what is unknown, with the nearest name") {
  test::TempDir dir;
  auto run = [&](const std::string& arguments) { return graft_in(dir.path(), arguments); };
  CHECK(run("--version").code == 0);
  CHECK(run("--version").out.starts_with("graft "));
  CHECK(run("--help").out.find("Examples:") != std::string::npos);
  CHECK(run("tune --help").code == 0);
  CHECK(run("").code == 64);
  check_complaint(run("tun"), 64, {"unknown command tun", "did you mean tune"});
  check_complaint(run("tune data --model resnet18 --strateggy head"), 64,
                  {"--strateggy", "did you mean --strategy"});
  check_complaint(run("tune"), 64, {"graft tune --help"});
  check_complaint(run("doctor extra"), 64, {"extra"});
  CHECK(run("doctor").code == 0);
}

TEST_CASE("app: tune leaves a whole run, and eval, predict and inspect read it; JSON as docs/json.md says") {
  Bench bench;
  Ran ran = bench.run(bench.tune + " --out run --json tune.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto tuned = parsed(bench.dir / "tune.json");
  for (const char* key : {"accuracy", "count", "loss", "seconds", "model", "strategy", "trainable_parameters",
                          "frozen_tensors", "frozen_bytes_changed"}) {
    CHECK_MESSAGE(tuned.contains(key), std::string(key));
  }
  CHECK(tuned["strategy"] == "head");
  CHECK(tuned["frozen_bytes_changed"] == 0);
  for (const char* file : {"run/model.graft", "run/report.html", "run/metrics.json"})
    CHECK(fs::exists(bench.dir / file));
  CHECK(content(bench.dir / "run/report.html").find("Freeze certificate") != std::string::npos);
  CHECK(ran.out.find("wrote run") != std::string::npos);
  CHECK(bench.run(bench.tune + " --out run").out.find("in place of an earlier run's") != std::string::npos);

  ran = bench.run("eval run/model.graft data --json eval.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto scored = parsed(bench.dir / "eval.json");
  CHECK(scored["count"] == 20);
  CHECK(scored["model"] == "cifar_resnet20");
  CHECK(scored["frozen_tensors"] == tuned["frozen_tensors"]);

  ran = bench.run("predict run/model.graft data/red data/blue/0.png --json predict.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  auto predictions = parsed(bench.dir / "predict.json")["predictions"];
  REQUIRE(predictions.size() == 11);
  CHECK(predictions[10]["file"] == "data/blue/0.png");
  CHECK(predictions[0]["top"].size() == 2);
  CHECK(predictions[0]["top"][0]["label"] == predictions[0]["label"]);

  ran = bench.run("inspect run/model.graft --json inspect.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(bench.dir / "inspect.json")["recognised"][0] == "cifar_resnet20");
  CHECK(ran.out.find("graft.labels") != std::string::npos);
}

TEST_CASE("app: published weights work without tuning, with the publisher's labels or one's own") {
  Bench bench;
  std::string from = "predict --model cifar_resnet20 --weights net.safetensors ";
  Ran ran = bench.run(from + "data/red/0.png --json p.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(bench.dir / "p.json")["predictions"][0]["top"].size() == 5);
  write_file(bench.dir / "labels.txt", "background\na\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
  ran = bench.run(from + "data/red/0.png --labels labels.txt --json p.json");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(parsed(bench.dir / "p.json")["predictions"][0]["label"].get<std::string>().size() == 1);
  write_file(bench.dir / "labels.txt", "a\nb\n");
  check_complaint(bench.run(from + "data/red/0.png --labels labels.txt"), 65, {"2 labels", "10 classes"});
  check_complaint(bench.run("predict --model cifar_resnet20 data/red"), 64, {"--weights"});
}

TEST_CASE("app: bad data is exit 65 with one line, and nothing is left behind") {
  Bench bench;
  auto tune = [&](const std::string& data, const std::string& net = "net.safetensors") {
    return bench.run("tune " + data + " --model cifar_resnet20 --weights " + net + " --no-cache --out run");
  };
  check_complaint(tune("nowhere"), 65, {"nowhere"});
  fs::create_directories(bench.dir / "one/red");
  fs::copy(bench.dir / "data/red", bench.dir / "one/red", fs::copy_options::recursive);
  check_complaint(tune("one"), 65, {"one"});
  fs::copy(bench.dir / "data", bench.dir / "empty", fs::copy_options::recursive);
  fs::create_directory(bench.dir / "empty/green");
  check_complaint(tune("empty"), 65, {"green"});
  fs::copy(bench.dir / "data", bench.dir / "broken", fs::copy_options::recursive);
  write_file(bench.dir / "broken/red/3.png", "this is no picture");
  check_complaint(tune("broken"), 65, {"3.png"});
  auto other = nn::make_classifier("squeezenet1_1", 10, 1);
  weights::save(*other, bench.dir / "other.safetensors");
  check_complaint(tune("data", "other.safetensors"), 65, {"conv1.weight"});
  check_complaint(tune("data", "missing.pth"), 65, {"missing.pth"});
  CHECK(!fs::exists(bench.dir / "run"));

  check_complaint(bench.run("eval net.safetensors data"), 65, {"net.safetensors"});
  check_complaint(bench.run("inspect broken/red/3.png"), 65, {"3.png"});
  Ran ran = bench.run(
      "predict --model cifar_resnet20 --weights net.safetensors broken/red/3.png broken/red/4.png --json "
      "p.json");
  check_complaint(ran, 65, {"3.png"});
  CHECK(ran.out.find("4.png") != std::string::npos);
  CHECK(parsed(bench.dir / "p.json")["predictions"].size() == 2);
}

TEST_CASE("app: usage is exit 64 and names what there is") {
  Bench bench;
  auto tune = [&](const std::string& rest) { return bench.run("tune data " + rest); };
  check_complaint(tune("--model cifar_resnet21 --weights net.safetensors"), 64,
                  {"cifar_resnet21", "cifar_resnet20"});
  check_complaint(tune("--model cifar_resnet20"), 64, {"--weights"});
  check_complaint(tune("--model cifar_resnet20 --weights net.safetensors --strategy most"), 64, {"most"});
  check_complaint(tune("--model cifar_resnet20 --weights net.safetensors --lr 0,5"), 64, {"0,5"});
  check_complaint(tune("--model cifar_resnet20 --weights net.safetensors --lr nan"), 64, {"learning_rate"});
  check_complaint(tune("--model cifar_resnet20 --weights net.safetensors --threads 0"), 64, {"1 to 256"});
  check_complaint(tune("--model cifar_resnet20 --weights net.safetensors --rule 'x=molten'"), 64, {"molten"});
}

TEST_CASE(
    "app: what cannot be written is exit 74, before the work where that can be known, and old files stay") {
  Bench bench;
  check_complaint(bench.run(bench.tune + " --out run --json no/where.json"), 74, {"no/where.json"});
  CHECK(!fs::exists(bench.dir / "run"));
  check_complaint(bench.run(bench.tune + " --out no/where"), 74, {"no/where"});
  REQUIRE(bench.run(bench.tune + " --out run").code == 0);
  std::string before = content(bench.dir / "run/model.graft");
  // 100 blocks of 1 KiB or of 512 bytes: less than the network needs.
  check_complaint(bench.run(bench.tune + " --seed 5 --out run", "ulimit -f 100;"), 74, {"model.graft"});
  CHECK(content(bench.dir / "run/model.graft") == before);
  CHECK(std::distance(fs::directory_iterator(bench.dir / "run"), fs::directory_iterator()) == 3);
  if (fs::exists("/dev/full")) {
    check_complaint(bench.run("doctor --json /dev/full"), 74, {"/dev/full"});
    check_complaint(bench.run("doctor", "", ">/dev/full"), 74, {"standard output"});
  }
  check_complaint(bench.run("doctor", "", ">&-"), 74, {"standard output"});
}

TEST_CASE("app: another language, no home and no cache folder change nothing") {
  Bench bench;
  std::string plain = bench.tune + " --out a --json a.json", odd = bench.tune + " --out b --json b.json";
  REQUIRE(bench.run(plain).code == 0);
  Ran ran =
      bench.run(odd, "LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 HOME=/proc/nowhere XDG_CACHE_HOME=/proc/nowhere");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(content(bench.dir / "a/model.graft") == content(bench.dir / "b/model.graft"));
  CHECK(parsed(bench.dir / "a.json")["accuracy"] == parsed(bench.dir / "b.json")["accuracy"]);
}

TEST_CASE("app: SIGTERM ends a run with its own exit code, and it goes on to the same file, byte for byte") {
  if (test::program().empty() || !can_trace()) return;
  Bench bench;
  std::string tune = bench.tune + " --strategy full --batch 4 --checkpoint-every 3 --out ";
  std::vector<std::string> words = {test::program()};
  std::istringstream line(tune + "run");
  for (std::string word; line >> word;) words.push_back(word);
  bool sent = false;
  Traced run = traced_program(words, bench.dir.path(), [&](const Call& call, int64_t) {
    bool now = !sent && call.target.find("step-00000003.checkpoint") != std::string::npos;
    sent = sent || now;
    return Act{.signal = now ? SIGTERM : 0};
  });
  CHECK(run.code == 128 + SIGTERM);
  std::string said = content(bench.dir / "err.txt");
  CHECK_MESSAGE(said.find("graft tune: stopped (train, epoch 1 of 3)") != std::string::npos, said);
  CHECK(said.find("--out run --resume") != std::string::npos);
  CHECK(fs::exists(bench.dir / "run/checkpoints"));

  check_complaint(bench.run(tune + "run"), 64, {"run/checkpoints", "--resume"});
  check_complaint(bench.run(tune + "run --resume --seed 3"), 65,
                  {"another run", "seed is 0 there and 3 here"});
  REQUIRE(bench.run(tune + "run --resume").code == 0);
  REQUIRE(bench.run(tune + "whole").code == 0);
  CHECK(content(bench.dir / "run/model.graft") == content(bench.dir / "whole/model.graft"));
  CHECK_FALSE(fs::exists(bench.dir / "run/checkpoints"));
  check_complaint(bench.run(bench.tune + " --resume"), 64, {"--out"});
}
