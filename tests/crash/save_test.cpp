// A checkpoint and an artefact while their writer is killed, or the disk fails, at each of its system calls.
#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "tests/app/program.h"
#include "tests/crash/kept.h"
#include "tests/transfer/drawn.h"
#include "transfer/artefact.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

namespace {

// The work is done by the one thread that a copied process has.
struct OneThread {
  OneThread() { set_threads(1); }
  ~OneThread() { set_threads(before); }
  int before = threads();
};

// Whether a disk has what was written makes no difference to anybody but after a loss of power: the answer
// is enough here, and faster.
bool is_sync(const Call& call) {
  return to_text(call).starts_with("fsync");
}
Act usual(const Call& call) {
  return {is_sync(call) ? Act::Kind::pretend : Act::Kind::let};
}
Decide at(int64_t place, Act act) {
  return [place, act](const Call& call, int64_t index) { return index == place ? act : usual(call); };
}
// What the C library or a sanitizer reads once in a process is read here: all copies then make the same
// calls.
void save_once_before(const TempDir& dir) {
  Report ignored;
  save_three(dir / "before/run/checkpoints", ignored);
  problem_with(dir / "before/run/checkpoints", 3);
}
const Decide kUndisturbed = [](const Call& call, int64_t) { return usual(call); };

}  // namespace

TEST_CASE("checkpoints: a kill at any system call about files loses none and leaves none torn") {
  if (!can_trace()) return;
  OneThread one;
  TempDir dir;
  save_once_before(dir);
  Traced whole = traced([&](Report& r) { save_three(dir / "whole/run/checkpoints", r); }, kUndisturbed);
  REQUIRE_MESSAGE(whole.code == 0, whole.report.error);
  REQUIRE(problem_with(dir / "whole/run/checkpoints", 3).empty());
  std::set<std::string> kinds;
  for (const Call& call : whole.calls) kinds.insert(to_text(call).substr(0, to_text(call).find(' ')));
  for (const char* needed : {"mkdir", "openat", "flock", "pwrite64", "fsync", "close", "rename", "unlink"})
    CHECK_MESSAGE(kinds.contains(needed), needed << " is no call of a save: the test looks past it");

  int64_t points = 0;
  for (size_t i = 0; i < whole.calls.size(); ++i) {
    for (Act::Kind kind : {Act::Kind::kill_before, Act::Kind::kill_within, Act::Kind::kill_after}) {
      if (kind == Act::Kind::kill_within && !is_write(whole.calls[i])) continue;
      INFO("killed at call " << i << ", " << to_text(whole.calls[i]) << ", in way " << int(kind));
      std::string folder = dir / str(i, "-", int(kind), "/run/checkpoints");
      Traced run = traced([&](Report& r) { save_three(folder, r); }, at(static_cast<int64_t>(i), {kind}));
      CHECK(run.killed);
      CHECK(problem_with(folder, run.report.completed) == "");
      if (points % 8 == 0) CHECK(problem_with_next_run(folder) == "");
      ++points;
    }
  }
  MESSAGE(points << " kills at " << whole.calls.size() << " system calls about files");
}

TEST_CASE("checkpoints: a disk that fails at any call is told with path and reason, and loses none") {
  if (!can_trace()) return;
  OneThread one;
  TempDir dir;
  save_once_before(dir);
  std::vector<Call> calls =
      traced([&](Report& r) { save_three(dir / "whole/run/checkpoints", r); }, kUndisturbed).calls;
  int64_t points = 0, told = 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (!is_of_disk(calls[i]) || calls[i].path.find(dir.path()) != 0) continue;
    for (int error : {ENOSPC, EIO, EDQUOT, EROFS, EINTR, 0}) {
      if (error == 0 && !is_write(calls[i])) continue;
      INFO("call " << i << ", " << to_text(calls[i]) << ": "
                   << (error ? std::string(std::strerror(error)) : "half a write"));
      std::string folder = dir / str(i, "-", error, "/run/checkpoints");
      Act act{error ? Act::Kind::fail : Act::Kind::shorten, error};
      Traced run = traced([&](Report& r) { save_three(folder, r); }, at(static_cast<int64_t>(i), act));
      std::string said = run.report.error;
      CHECK_FALSE(run.killed);
      // A signal interrupts neither of these.
      bool is_atomic = to_text(calls[i]).starts_with("rename") || to_text(calls[i]).starts_with("mkdir");
      if (error == 0 || (error == EINTR && !is_atomic)) {
        CHECK_MESSAGE(run.code == 0, said);
      }
      if (run.code == 0) {
        CHECK(run.report.completed == 3);
      } else {
        CHECK(run.code == 74);
        CHECK_MESSAGE(said.find(dir.path()) != std::string::npos, said);
        CHECK_MESSAGE(said.find(std::strerror(error)) != std::string::npos, said);
        ++told;
      }
      CHECK(problem_with(folder, run.report.completed) == "");
      if (points % 8 == 0) CHECK(problem_with_next_run(folder) == "");
      ++points;
    }
  }
  CHECK(told > points / 3);
  MESSAGE(points << " faults, " << told << " of them told, the others got over");
}

TEST_CASE("checkpoints: a failed save can be made again by the same run") {
  if (!can_trace()) return;
  OneThread one;
  TempDir dir;
  for (const char* call_name : {"openat", "pwrite64", "fsync", "rename"}) {
    INFO(call_name);
    std::string folder = dir / call_name;
    bool failed = false;
    Traced run = traced(
        [&](Report& report) {
          transfer::Checkpoints checkpoints(folder, 1);
          checkpoints.begin(small_identity());
          checkpoints.save(small_state(1));
          report.completed = 1;
          try {
            checkpoints.save(small_state(2));
          } catch (const DiskError&) {
            checkpoints.save(small_state(3));
            report.completed = 3;
          }
        },
        [&](const Call& call, int64_t) {
          bool hit = !failed && call.completed == 1 && to_text(call).starts_with(call_name);
          failed = failed || hit;
          return hit ? Act{Act::Kind::fail, ENOSPC} : Act{};
        });
    CHECK(run.code == 0);
    CHECK(run.report.completed == 3);
    CHECK(problem_with(folder, 3) == "");
    CHECK_FALSE(fs::exists(folder + "/step-00000002.checkpoint"));
  }
}

TEST_CASE("artefact: while it takes an older one's place, a kill or a fault leaves the old or the new") {
  if (!can_trace()) return;
  OneThread one;
  TempDir dir;
  auto older = small_network(2, 3), newer = small_network(2, 4);
  transfer::RunResult result;
  result.classes = {"a", "b"};
  std::string path = dir / "model.graft";
  auto save = [&](nn::CifarResNet& network) {
    transfer::save_artefact(path, network, result, data::Preprocess{});
  };
  save(*newer);
  std::string after = content(path);
  save(*older);
  std::string before = content(path);
  REQUIRE(before != after);
  std::vector<Call> calls = traced([&](Report&) { save(*newer); }, kUndisturbed).calls;
  REQUIRE(content(path) == after);

  // What is there may change once only, and not back; nothing else stays, once the next writer has begun.
  bool replaced = false;
  int64_t points = 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    std::vector<Act> acts = {{Act::Kind::kill_before}, {Act::Kind::kill_after}};
    if (is_write(calls[i])) acts.push_back({Act::Kind::kill_within});
    if (is_of_disk(calls[i]) && calls[i].path.find(dir.path()) == 0) {
      for (int error : {ENOSPC, EIO}) acts.push_back({Act::Kind::fail, error});
    }
    for (const Act& act : acts) {
      INFO("call " << i << ", " << to_text(calls[i]) << ", way " << int(act.kind) << ", error " << act.error);
      write_file(path, before);
      Traced run = traced([&](Report&) { save(*newer); }, at(static_cast<int64_t>(i), act));
      std::string now = content(path);
      CHECK((now == before || now == after));
      if (run.code == 0) CHECK(now == after);
      if (act.kind == Act::Kind::kill_after) {
        CHECK((now == after || !replaced));
        replaced = now == after;
      }
      if (run.code == 74)
        CHECK(std::string(run.report.error).find(act.error == EIO ? "error" : "space") != std::string::npos);
      AtomicFile::remove_leftovers(path);
      CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()) == 1);
      ++points;
    }
  }
  CHECK(replaced);
  MESSAGE(points << " kills and faults at " << calls.size() << " system calls about files");
}

TEST_CASE("leftovers: what a living writer has begun is let be") {
  TempDir dir;
  AtomicFile file(dir / "model.graft");
  file.write("new");
  write_file(dir / ".model.graft.notes.1.2.tmp", "somebody else's");
  write_file(dir / ".model.graft.77.0.tmp", "a dead one's");
  AtomicFile::remove_leftovers(dir / "model.graft");
  CHECK(fs::exists(dir / ".model.graft.notes.1.2.tmp"));
  CHECK_FALSE(fs::exists(dir / ".model.graft.77.0.tmp"));
  file.commit();
  CHECK(content(dir / "model.graft") == "new");
}
