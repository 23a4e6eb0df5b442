// graft kernels, through the real program.
#include "kernels/cuda/sim/watch.h"
#include "tests/app/program.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("app: graft kernels counts and draws where the simulator can watch, and else says how to get it") {
  TempDir dir;
  Ran ran = graft_in(dir.path(), "kernels softmax --json kernels.json");
  if (!sim::kWatchBuilt) {
    check_complaint(ran, 70, {"kernels", "./run kernels"});
    return;
  }
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(ran.out.find("load from global memory, 4 bytes a thread") != std::string::npos);
  CHECK(ran.out.find("01234567|89abcdef|ghijklmn|opqrstuv") != std::string::npos);
  auto counted = parsed(dir.path() + "/kernels.json")["softmax"]["softmax_rows"];
  CHECK(counted["launches"] == 1);
  CHECK(counted["global_store"]["bytes"] == 16 * 1000 * 4);

  check_complaint(graft_in(dir.path(), "kernels softmx"), 64, {"softmx", "softmax"});
}

TEST_CASE("app: graft kernels draws a swizzle, every bank taken in every pass") {
  if (!sim::kWatchBuilt) return;
  TempDir dir;
  // Where a warp copies and swizzles; from capability 9.0 on TMA does.
  Ran ran = graft_in(dir.path(), "kernels linear_bf16", "GRAFT_CAPABILITY=80");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(ran.out.find("99998888bbbbaaaaddddccccffffeeee") != std::string::npos);
}

TEST_CASE("app: every example of graft kernels runs without a report") {
  if (!sim::kWatchBuilt) return;
  TempDir dir;
  Ran ran = graft_in(dir.path(), "kernels");
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  for (const char* report : {"race", "outside of", "nobody wrote"})
    CHECK(ran.out.find(report) == std::string::npos);
  for (const char* name : {"conv2d_bf16: ", "batch_norm: ", "embedding: ", "lamb: "})
    CHECK_MESSAGE(ran.out.find(name) != std::string::npos, name);
}
