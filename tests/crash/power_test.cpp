// Checkpoints after a loss of power: the calls of a run that saves, replayed on a disk that keeps no more
// than it must.
#include "tests/crash/power.h"

#include <filesystem>
#include <fstream>

#include "core/parallel.h"
#include "core/str.h"
#include "tests/crash/kept.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

namespace {

void make(const Stored& state, const std::string& from, const std::string& to) {
  fs::remove_all(to);
  fs::create_directories(to);
  for (const auto& [path, bytes] : state) {
    std::string place = to + path.substr(from.size());
    if (place.ends_with('/')) {
      fs::create_directory(place);
    } else {
      std::ofstream(place, std::ios::binary) << bytes;
    }
  }
}

struct Tally {
  int64_t states = 0, wrong = 0;
  std::string first_problem;
};

// A run, and another that goes on from where the first one stands.
void save_and_go_on(const std::string& folder, Report& report) {
  save_three(folder, report);
  transfer::Checkpoints checkpoints(folder, 1);
  checkpoints.begin(small_identity());
  for (int step = 4; step <= 5; ++step) {
    checkpoints.save(small_state(step));
    report.completed = step;
  }
}

// The states of all moments, each opened as the next run would. What is the same at two moments, with as
// much promised, is looked at once.
Tally replay(const std::vector<Call>& calls, const std::string& root, PowerModel::Honours honours,
             int64_t most_wrong) {
  TempDir dir;
  PowerModel model(root, honours);
  std::set<std::pair<int, Stored>> seen;
  Tally tally;
  for (size_t i = 0; i < calls.size() && tally.wrong < most_wrong; ++i) {
    model.follow(calls[i]);
    int completed = i + 1 < calls.size() ? calls[i + 1].completed : calls[i].completed;
    for (const Stored& state : model.states()) {
      if (!seen.emplace(completed, state).second) continue;
      make(state, root, dir / "disk");
      std::string problem = problem_with(dir / "disk/run/checkpoints", completed);
      ++tally.states;
      if (problem.empty()) continue;
      if (++tally.wrong == 1)
        tally.first_problem = str("after call ", i, ", ", to_text(calls[i]), ": ", problem);
      if (tally.wrong >= most_wrong) break;
    }
  }
  return tally;
}

}  // namespace

TEST_CASE("checkpoints: no loss of power loses one or leaves one torn") {
  if (!can_trace()) return;
  int before = threads();
  set_threads(1);
  TempDir dir;
  Traced run = traced([&](Report& r) { save_and_go_on(dir / "run/checkpoints", r); });
  set_threads(before);
  REQUIRE_MESSAGE(run.code == 0, run.report.error);

  Tally tally = replay(run.calls, dir.path(), PowerModel::Honours::all, 1);
  CHECK_MESSAGE(tally.wrong == 0, tally.first_problem);
  CHECK(tally.states >= 5000);
  MESSAGE(tally.states << " states of the disk, " << tally.wrong << " invalid");

  // That the model sees what it should: on disks that do not do what they are told, there are losses.
  for (auto honours : {PowerModel::Honours::not_files, PowerModel::Honours::not_folders}) {
    Tally bad = replay(run.calls, dir.path(), honours, 1);
    CHECK(bad.wrong == 1);
  }
}
