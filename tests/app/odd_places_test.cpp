// The program on systems that lack something: memory for threads, stack, open files, processors, /proc, a
// home that can be written to, a decimal point.
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "tests/app/program.h"
#include "tests/crash/apart.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

namespace {

// A small network that is trained, and what the run leaves where nothing is missing.
struct Place {
  Bench bench{3};
  std::string tune = "tune data --model cifar_resnet20 --strategy scratch --set epochs=1 --batch 4 --out ";
  std::string artefact;
  Place() {
    REQUIRE(bench.run(tune + "whole --no-cache").code == 0);
    artefact = content(bench.dir / "whole/model.graft");
  }
  // Empty where the run gets through with the same result.
  std::string problem(const std::string& out, const std::string& before,
                      const std::string& more = "--no-cache") {
    Ran ran = bench.run(tune + out + " " + more, before);
    if (ran.code != 0) return str("code ", ran.code, ": ", ran.err);
    return content(bench.dir / (out + "/model.graft")) == artefact ? "" : "another result";
  }
};

}  // namespace

TEST_CASE("odd places: little stack, few open files and one processor change nothing") {
  Place place;
  CHECK(place.problem("stack", "ulimit -s 256;") == "");
  CHECK(place.problem("files", "ulimit -n 20;") == "");
  if (std::system("taskset -c 0 true 2>/dev/null") == 0) {
    CHECK(place.problem("one", "taskset -c 0") == "");
  } else {
    MESSAGE("skipped: one processor");
  }
}

TEST_CASE("odd places: a decimal comma, an i without a dot, and a home that is read-only") {
  Place place;
  fs::create_directory(place.bench.dir / "home");
  for (const char* language : {"de_DE.UTF-8", "tr_TR.UTF-8", "nowhere"}) {
    INFO(std::string(language));
    CHECK(place.problem(language, str("LANG=", language, " LC_ALL=", language)) == "");
  }
  std::optional<std::string> read_only = among_own_mounts([&]() -> std::string {
    if (!mount_memory(place.bench.dir / "home", 64) || !make_read_only(place.bench.dir / "home"))
      return "no mount";
    std::string home = str("unset GRAFT_CACHE XDG_CACHE_HOME; HOME='", place.bench.dir / "home", "'");
    // Features that cannot be kept cost a note.
    Ran ran = place.bench.run(
        "tune data --model cifar_resnet20 --weights net.safetensors --strategy head --out head", home);
    if (ran.code != 0) return ran.err;
    std::string notes = parsed(place.bench.dir / "head/metrics.json")["notes"].dump();
    bool noted = notes.find("could not be cached") != std::string::npos;
    return noted && notes.find("Read-only") != std::string::npos ? "" : "no note: " + notes;
  });
  CHECK(read_only.value_or("") == "");
}

TEST_CASE("odd places: a clock that jumps by years") {
#ifdef GRAFT_ODD_CLOCK
  Place place;
  std::string clock = str("LD_PRELOAD='", GRAFT_ODD_CLOCK, "'"), folder = place.bench.dir.path();
  auto year = [&](const std::string& before) {
    REQUIRE(std::system(str(before, " date +%Y >'", folder, "/year'").c_str()) == 0);
    return std::stoi(content(folder + "/year"));
  };
  CHECK(std::abs(year(clock) - year("")) >= 2);  // it does jump
  CHECK(place.problem("jumps", clock, "--no-cache --checkpoint-every 1") == "");
#else
  MESSAGE("skipped: no clock can be put in front of a sanitized program");
#endif
}

TEST_CASE("odd places: without /proc") {
  Place place;
  std::optional<std::string> problem = among_own_mounts([&]() -> std::string {
    if (!mount_memory("/proc", 64)) return "no mount";
    return place.problem("run", "");
  });
  CHECK(problem.value_or("") == "");
}

TEST_CASE("odd places: with little address space it works, or says that memory is missing") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  MESSAGE("skipped: a sanitizer takes terabytes of address space");
  return;
#endif
  Place place;
  // KiB in which the program can be loaded at all.
  double least = 16000;
  while (place.bench.run("--version", str("ulimit -v ", static_cast<int>(least), ";")).code != 0) {
    least *= 1.2;
    REQUIRE(least < 4e6);
  }
  int64_t told = 0, done = 0;
  for (double share : {1.0, 1.5, 2.5, 5.0, 10.0, 30.0}) {
    int limit = static_cast<int>(share * least);
    for (int threads : {1, 8}) {
      INFO(limit << " KiB, " << threads << " threads");
      std::string out = str("run", limit, "-", threads);
      Ran ran = place.bench.run(str(place.tune, out, " --no-cache --threads ", threads),
                                str("ulimit -v ", limit, ";"));
      CHECK_MESSAGE((ran.code == 0 || ran.code == 71), ran.code << ": " << ran.err);
      if (ran.code == 0) CHECK(content(place.bench.dir / (out + "/model.graft")) == place.artefact);
      if (ran.code == 71) CHECK_MESSAGE(ran.err.find("memory") != std::string::npos, ran.err);
      done += ran.code == 0;
      told += ran.code == 71;
    }
  }
  CHECK(done > 0);
  CHECK(told > 0);
}
