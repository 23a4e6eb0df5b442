// --device and --precision, through the real program.
#include "core/device.h"
#include "tests/app/program.h"

using namespace graft;
using namespace graft::test;

namespace {

bool has_accelerator() {
  return devices().size() > 1;
}

}  // namespace

TEST_CASE("app: a device that is not there is one clear line, and nothing is written") {
  Bench bench(4);
  std::string far = has_cuda_backend() ? "no such device" : "for the CPU alone";
  check_complaint(bench.run(bench.tune + " --device cuda:17 --out run"), 70, {"cuda:17", far});
  check_complaint(bench.run(bench.tune + " --device gpu --out run"), 64, {"gpu", "cuda:N"});
  check_complaint(bench.run(bench.tune + " --precision f16 --out run"), 64, {"f16", "bf16"});
  check_complaint(bench.run(bench.tune + " --precision bf16 --out run"), 64, {"bf16", "CUDA device"});
  CHECK_FALSE(bench.run("doctor").out.find("devices  cpu") == std::string::npos);
  CHECK(content(bench.dir / "run/metrics.json").empty());
}

TEST_CASE("app: tune, eval and predict on an accelerator") {
  if (!has_accelerator()) return;
  Bench bench(5);
  for (const char* precision : {"f32", "bf16"}) {
    CAPTURE(precision);
    std::string compute = str(" --device cuda --precision ", precision);
    Ran ran = bench.run("tune data --model cifar_resnet20 --weights net.safetensors --strategy partial:1 " +
                        str("--epochs 1 --threads 2 --no-cache --out run --json tune.json", compute));
    REQUIRE_MESSAGE(ran.code == 0, ran.err);
    auto tuned = parsed(bench.dir / "tune.json");
    CHECK(tuned["device"] == "cuda:0");
    CHECK(tuned["precision"] == precision);
    CHECK(tuned["frozen_bytes_changed"] == 0);
    CHECK(tuned["frozen_tensors"] > 0);
    CHECK(tuned["artefact_accuracy"] == tuned["accuracy"]);

    // The file says the same of a picture on the device and, within the device's precision, on the CPU.
    std::string predict = "predict run/model.graft data/red/0.png --json predict.json";
    REQUIRE(bench.run(predict + compute).code == 0);
    auto there = parsed(bench.dir / "predict.json");
    CHECK(there["device"] == "cuda:0");
    REQUIRE(bench.run(predict).code == 0);
    auto here = parsed(bench.dir / "predict.json");
    CHECK(here["device"] == "cpu");
    double a = there["predictions"][0]["probability"], b = here["predictions"][0]["probability"];
    CHECK(std::abs(a - b) <= (std::string(precision) == "f32" ? 1e-4 : 0.03));

    REQUIRE(bench.run("eval run/model.graft data --json eval.json" + compute).code == 0);
    auto scored = parsed(bench.dir / "eval.json");
    CHECK(scored["precision"] == precision);
    CHECK(scored["count"] == 10);
  }
}
