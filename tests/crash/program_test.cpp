// The program whose disk fails or fills up, and which is stopped by signals: what it says, what it leaves,
// and that it goes on.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <thread>

#include "core/file.h"
#include "tests/app/program.h"
#include "tests/crash/apart.h"
#include "tests/crash/traced.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

namespace {

const char* const kTune =
    "tune data --model cifar_resnet20 --strategy scratch --epochs 3 --batch 4 --threads 1 --no-cache "
    "--checkpoint-every 1 --out ";

std::vector<std::string> words(const std::string& line) {
  std::vector<std::string> out = {program()};
  std::istringstream in(line);
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// Two classes of small pictures, and what a run on them leaves that nothing disturbs.
struct Undisturbed {
  TempDir dir;
  std::string artefact;
  Undisturbed() {
    draw_class(dir / "data/red", 250, 60, 60, 5);
    draw_class(dir / "data/blue", 60, 60, 250, 5);
    REQUIRE(graft_in(dir.path(), kTune + std::string("whole")).code == 0);
    artefact = content(dir / "whole/model.graft");
  }
  void check_resumes(const std::string& out) const {
    Ran rest = graft_in(dir.path(), kTune + out + " --resume");
    CHECK_MESSAGE(rest.code == 0, rest.err);
    CHECK(content(dir / (out + "/model.graft")) == artefact);
    std::set<std::string> left;
    for (const auto& entry : fs::directory_iterator(dir / out)) left.insert(entry.path().filename().string());
    CHECK(left == std::set<std::string>{"metrics.json", "model.graft", "report.html"});
  }
};

// A run, and what is done to it the moment it begins to give its second state the name it will have: whatever
// a test needs a run to be in the middle of, it is.
Traced run_to_second_state(const Undisturbed& lab, const std::string& out,
                           const std::function<Act()>& do_there) {
  bool there = false;
  return traced_program(words(kTune + out), lab.dir.path(), [&](const Call& call, int64_t) {
    bool now = !there && to_text(call).starts_with("rename") &&
               call.target.find("step-00000002.checkpoint") != std::string::npos;
    there = there || now;
    return now ? do_there() : Act{};
  });
}

}  // namespace

TEST_CASE(
    "program: a disk that fails at whatever file is exit 74 with path and reason, and the run goes on") {
  if (program().empty() || !can_trace()) return;
  Undisturbed lab;
  struct Fault {
    const char *call, *file;  // the first such call for a file whose path has this in it
    int error;
  };
  for (const Fault& fault : std::vector<Fault>{{"pwrite64", "step-00000003.checkpoint", ENOSPC},
                                               {"pwrite64", "step-00000001.checkpoint", EDQUOT},
                                               {"fsync", "step-00000002.checkpoint", EIO},
                                               {"rename", "step-00000002.checkpoint", EROFS},
                                               {"pwrite64", "model.graft", ENOSPC},
                                               {"fsync", "model.graft", EIO},
                                               {"pwrite64", "report.html", ENOSPC},
                                               {"openat", "metrics.json", EACCES}}) {
    INFO(fault.call << " of " << fault.file << ": " << std::string(std::strerror(fault.error)));
    std::string out = str("run-", fault.call, "-", fault.file, fault.error);
    bool hit = false;
    // Files are probed first, before there is anything to lose: that is not meant.
    bool trained = std::string(fault.file).starts_with("step");
    Traced run = traced_program(words(kTune + out), lab.dir.path(), [&](const Call& call, int64_t) {
      trained = trained || call.path.find("checkpoints/") != std::string::npos;
      bool now = !hit && trained && to_text(call).starts_with(str(fault.call, " ")) &&
                 call.path.find(out + "/") != std::string::npos &&
                 call.path.find(fault.file) != std::string::npos;
      hit = hit || now;
      return now ? Act{Act::Kind::fail, fault.error} : Act{};
    });
    CHECK(hit);
    std::string said = content(lab.dir / "err.txt");
    CHECK_MESSAGE(run.code == 74, said);
    CHECK_MESSAGE(said.find(std::strerror(fault.error)) != std::string::npos, said);
    CHECK_MESSAGE(said.find(fault.file) != std::string::npos, said);
    lab.check_resumes(out);
  }
}

TEST_CASE("program: killed at calls of every kind, it goes on to the same bytes and clears up") {
  if (program().empty() || !can_trace()) return;
  Undisturbed lab;
  for (auto [name, file] : {std::pair{"pwrite64", "step-00000002"},
                            {"rename", "step-00000004"},
                            {"unlink", "step-00000001"},
                            {"pwrite64", "model.graft"},
                            {"rename", "unchecked"},
                            {"unlink", "step-00000006"},
                            {"rename", "metrics.json"}}) {
    INFO(name << " of " << file);
    std::string out = str("run-", name, "-", file), wanted = str(name, " "), path = file;
    Traced run = traced_program(words(kTune + out), lab.dir.path(), [&](const Call& call, int64_t) {
      bool now = to_text(call).starts_with(wanted) && call.path.find(out + "/") != std::string::npos &&
                 call.path.find(path) != std::string::npos;
      return Act{!now ? Act::Kind::let : is_write(call) ? Act::Kind::kill_within : Act::Kind::kill_before};
    });
    CHECK(run.killed);
    lab.check_resumes(out);
  }
}

TEST_CASE("program: SIGINT, SIGTERM and SIGHUP leave a state to go on from; to nohup the last is nothing") {
  if (program().empty() || !can_trace()) return;
  Undisturbed lab;
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    INFO("signal " << signal);
    std::string out = str("signal", signal);
    Traced run = run_to_second_state(lab, out, [&] { return Act{.signal = signal}; });
    CHECK(run.code == 128 + signal);
    std::string said = content(lab.dir / "err.txt");
    CHECK_MESSAGE(said.find("stopped (train, epoch 2 of 3)") != std::string::npos, said);
    CHECK_MESSAGE(said.find(str("--out ", out, " --resume")) != std::string::npos, said);
    lab.check_resumes(out);
  }

  // nohup's word is kept.
  auto* handler = std::signal(SIGHUP, SIG_IGN);
  Traced hung_up = run_to_second_state(lab, "nohup", [] { return Act{.signal = SIGHUP}; });
  std::signal(SIGHUP, handler);
  CHECK(hung_up.code == 0);
  CHECK(content(lab.dir / "nohup/model.graft") == lab.artefact);
}

TEST_CASE("program: a run that is stopped for a while and goes on does not notice") {
  if (program().empty()) return;
  Undisturbed lab;
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string line =
        str("cd '", lab.dir.path(), "' && exec '", program(), "' ", kTune, "paused >out.txt 2>err.txt");
    ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    ::_exit(127);
  }
  // In the middle of whatever it does then, several times.
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    ::kill(child, SIGSTOP);
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    ::kill(child, SIGCONT);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(content(lab.dir / "paused/model.graft") == lab.artefact);
}

TEST_CASE("program: two runs in one folder, one folder that goes away, and names that are hard to spell") {
  if (program().empty() || !can_trace()) return;
  Undisturbed lab;
  Traced first = run_to_second_state(lab, "shared", [&] {
    check_complaint(graft_in(lab.dir.path(), kTune + std::string("shared --resume")), 74,
                    {"shared", "another run"});
    return Act{};
  });
  CHECK(first.code == 0);
  CHECK(content(lab.dir / "shared/model.graft") == lab.artefact);

  Traced homeless = run_to_second_state(lab, "gone", [&] {
    fs::remove_all(lab.dir / "gone");
    return Act{};
  });
  CHECK(homeless.code == 74);
  std::string said = content(lab.dir / "err.txt");
  CHECK_MESSAGE(said.find("gone") != std::string::npos, said);
  CHECK_MESSAGE(said.find("No such file") != std::string::npos, said);

  fs::create_directory(lab.dir / "far away");
  fs::create_directory_symlink(lab.dir / "far away", lab.dir / "link");
  for (const std::string& out : {std::string("\xc3\xa4 b/\xe6\xb0\xb4"), std::string("link")}) {
    INFO(out);
    fs::create_directories((lab.dir / out) + "/.");
    Ran ran = graft_in(lab.dir.path(), str(kTune, "'", out, "'"), "umask 077;");
    CHECK_MESSAGE(ran.code == 0, ran.err);
    CHECK(content(lab.dir / (out + "/model.graft")) == lab.artefact);
  }
  CHECK(fs::is_symlink(lab.dir / "link"));
}

TEST_CASE("program: with --keep-going a checkpoint that cannot be written is a warning and a note") {
  if (program().empty() || !can_trace()) return;
  Undisturbed lab;
  const std::string run = kTune + std::string("run --keep-going");
  Traced ran = traced_program(words(run), lab.dir.path(), [&](const Call& call, int64_t) {
    bool now =
        to_text(call).starts_with("pwrite64 ") && (call.path.find("step-00000002.") != call.path.npos ||
                                                   call.path.find("step-00000004.") != call.path.npos);
    return now ? Act{Act::Kind::fail, ENOSPC} : Act{};
  });
  std::string said = content(lab.dir / "err.txt");
  CHECK_MESSAGE(ran.code == 0, said);
  for (const char* part : {"warning: no checkpoint could be written of step 2: cannot write ",
                           "of step 4: ", "No space left on device", " more bytes failed", " are free there"})
    CHECK_MESSAGE(said.find(part) != std::string::npos, said);
  CHECK(said.find("of step 3") == std::string::npos);  // it was tried again
  CHECK(content(lab.dir / "run/model.graft") == lab.artefact);
  std::string notes = parsed(lab.dir / "run/metrics.json")["notes"].dump();
  CHECK_MESSAGE(notes.find("2 checkpoints could not be written, the first of step 2: ") != std::string::npos,
                notes);

  // The result is no checkpoint.
  ran = traced_program(words(kTune + std::string("other --keep-going")), lab.dir.path(),
                       [&](const Call& call, int64_t) {
                         bool now = to_text(call).starts_with("pwrite64 ") &&
                                    call.path.find("other/.model.graft") != std::string::npos;
                         return now ? Act{Act::Kind::fail, ENOSPC} : Act{};
                       });
  said = content(lab.dir / "err.txt");
  CHECK_MESSAGE(ran.code == 74, said);
  CHECK_MESSAGE(said.find("model.graft") != std::string::npos, said);
}

TEST_CASE("program: a disk of 8 MiB that a training fills") {
  if (program().empty()) return;
  Undisturbed lab;
  fs::create_directory(lab.dir / "disk");
  std::optional<std::string> problem = among_own_mounts([&]() -> std::string {
    auto mounted = [&] {
      // Beside it there is room for two states of the network and its optimizer, not for a third.
      if (!mount_memory(lab.dir / "disk", 8 << 10)) return false;
      write_file(lab.dir / "disk/other", std::string(size_t{5} << 19, 'x'));
      return true;
    };
    if (!mounted()) return "no mount";
    Ran ran = graft_in(lab.dir.path(), kTune + std::string("disk/run"));
    if (ran.code != 74) return str("code ", ran.code, ": ", ran.err);
    for (const char* part : {"disk/run/checkpoints/step-00000003.checkpoint", "writing ",
                             " more bytes failed", "No space left on device", " are free there"}) {
      if (ran.err.find(part) == std::string::npos) return str(part, " is missing in: ", ran.err);
    }
    fs::remove(lab.dir / "disk/other");
    ran = graft_in(lab.dir.path(), kTune + std::string("disk/run --resume"));
    if (ran.code != 0) return "it does not go on: " + ran.err;
    if (content(lab.dir / "disk/run/model.graft") != lab.artefact) return "it ends otherwise";

    if (!mounted()) return "no second mount";
    ran = graft_in(lab.dir.path(), kTune + std::string("disk/run --keep-going"));
    if (ran.code != 0) return "with --keep-going: " + ran.err;
    if (ran.err.find("warning: no checkpoint") == std::string::npos) return "no warning: " + ran.err;
    return content(lab.dir / "disk/run/model.graft") == lab.artefact ? ""
                                                                     : "with --keep-going it ends otherwise";
  });
  CHECK(problem.value_or("") == "");
}
