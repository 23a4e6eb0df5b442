// The program, whose memory runs out somewhere: exit code 71 and a line that says so, or it gets through; and
// what was there before is whole.
#include <algorithm>
#include <filesystem>

#include "tests/app/program.h"
#include "tests/scarce/heap.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

#ifdef GRAFT_SCARCE_HEAP

TEST_CASE("scarce memory: the program ends with 71 and says so, wherever it runs out") {
  if (!sees_malloc()) {
    MESSAGE("skipped: malloc cannot be replaced here");
    return;
  }
  Bench bench(4);
  auto run = [&](const std::string& arguments, const std::string& scarce) {
    return bench.run(arguments, str("GRAFT_SCARCE='", scarce, "' GRAFT_SCARCE_COUNT=count LD_PRELOAD='",
                                    GRAFT_SCARCE_HEAP, "'"));
  };
  const std::string tune =
      "tune data --model cifar_resnet20 --weights net.safetensors --strategy full --set epochs=1 --batch 8 "
      "--threads 1 --no-cache --out run";
  REQUIRE(bench.run(tune).code == 0);
  const std::string artefact = content(bench.dir / "run/model.graft");
  struct Command {
    std::string arguments;
    int64_t points;
  };
  int64_t attempts = 0, told = 0;
  for (const Command& command : {Command{"inspect net.safetensors", 8},
                                 {"predict run/model.graft data/red/0.png --threads 1", 8},
                                 {tune, 8}}) {
    Ran whole = run(command.arguments, "-1 once");
    REQUIRE_MESSAGE(whole.code == 0, whole.err);
    int64_t total = std::stoll(content(bench.dir / "count"));
    REQUIRE(total > 500);
    for (const char* how : {"once", "growth"}) {
      // The first ones are of the command line; then they are spread evenly.
      for (int64_t i = 0; i < command.points; ++i) {
        int64_t number = i < 3 ? 40 * i : total * (i - 3) / (command.points - 3);
        INFO(command.arguments << ", request " << number << " of " << total << ", " << std::string(how));
        Ran ran = run(command.arguments, str(number, " ", how));
        ++attempts;
        told += ran.code == 71;
        CHECK_MESSAGE((ran.code == 0 || ran.code == 71), ran.code << ": " << ran.err);
        if (ran.code == 71) CHECK_MESSAGE(ran.err.find("memory") != std::string::npos, ran.err);
        // The run's folder holds the older run or the new one, which is the same to the bit.
        CHECK(content(bench.dir / "run/model.graft") == artefact);
        // A state of a run that was given up is for --resume; this test begins anew.
        fs::remove_all(bench.dir / "run/checkpoints");
      }
    }
  }
  CHECK(told > attempts / 4);
  MESSAGE(attempts << " runs of the program, " << told << " ended with 71, the others got through");
}

#endif
