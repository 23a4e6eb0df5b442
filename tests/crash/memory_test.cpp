// Memory that runs out at each request of a training, a save and a load: what is said, that nothing is torn
// or kept, and that the same can be done afterwards.
#include "core/block_cache.h"
#include "core/error.h"
#include "core/parallel.h"
#include "tests/crash/kept.h"
#include "tests/support.h"
#include "tests/transfer/drawn.h"
#include "transfer/artefact.h"
#include "weights/load.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;

namespace {

// Does `work` again and again, with the next request refused each time, until none is reached any more;
// `after` looks at what a failure left. The number of requests.
int64_t refuse_each(const std::function<void()>& work, const std::function<void()>& after = {}) {
  int before = threads();
  set_threads(1);  // the same requests in the same order
  int64_t count = 0;
  for (bool failed = true; failed; ++count) {
    INFO("request " << count);
    int64_t held = memory_use().current;
    failed = false;
    refuse_request(count);
    try {
      work();
    } catch (const MemoryError& e) {
      failed = true;
      std::string said = e.what();
      CHECK(e.exit_code() == 71);
      CHECK_MESSAGE(said.find("out of memory: could not get ") != std::string::npos, said);
      CHECK_MESSAGE(said.find("B on cpu") != std::string::npos, said);
    }
    refuse_request(-1);
    if (failed) CHECK(memory_use().current == held);
    if (failed && after) after();
  }
  set_threads(before);
  return count - 1;
}

}  // namespace

TEST_CASE("memory: a training survives each refused request with a clear message, and can be done again") {
  transfer::PictureSet train = drawn_pictures(2, 2, 4, 1), test = drawn_pictures(2, 1, 4, 2);
  transfer::RetrainOptions options = quick_options("scratch");
  options.preprocess.crop = 4;
  options.recipe.epochs = 1;
  options.recipe.batch = 4;
  auto run = [&] {
    auto network = small_network(2);
    return transfer::retrain(*network, train, test, options).receipt.at("weights_after_sha256");
  };
  std::string expected = run();
  int64_t requests = refuse_each([&] { run(); });
  CHECK(requests > 100);
  CHECK(run() == expected);
  MESSAGE(requests << " requests of a training refused");
}

TEST_CASE("memory: checkpoints and artefacts survive each refused request") {
  TempDir dir;
  std::string folder = dir / "checkpoints", path = dir / "model.graft",
              weights_file = dir / "net.safetensors";
  Report report;
  int64_t saving = refuse_each(
      [&] {
        report.completed = 0;
        save_three(folder, report);
      },
      [&] { CHECK(problem_with(folder, report.completed) == ""); });
  CHECK(problem_with(folder, 3) == "");

  auto network = small_network(2);
  transfer::RunResult result;
  result.classes = {"a", "b"};
  saving += refuse_each([&] { transfer::save_artefact(path, *network, result, data::Preprocess{}); });
  weights::save(*network, weights_file);
  int64_t loading = refuse_each([&] {
    transfer::Checkpoints next(folder, 1);
    next.begin(small_identity());
    std::vector<std::string> notes;
    bool same = equal(*next.newest(notes), small_state(3));  // outside a CHECK, which would catch the error
    CHECK(same);
  });
  loading += refuse_each([&] {
    auto fresh = small_network(2, 9);
    weights::load(*fresh, weights::Checkpoint::open(weights_file));
  });
  CHECK(saving > 0);
  CHECK(loading > 10);
  MESSAGE(saving << " requests of saves, " << loading << " of loads refused");
}
