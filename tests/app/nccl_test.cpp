// Sums of gradients that stay on the devices: the whole way to NCCL, with a stand-in for it
// (tests/nccl_stand_in) and the simulated device, through the real mpirun.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/accelerator.h"
#include "core/file.h"
#include "tests/app/program.h"
#include "tests/app/team_job.h"
#include "transfer/mpi_team.h"
#include "transfer/nccl.h"
#include "transfer/training_state.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

namespace {

std::string stand_in() {
  return (fs::read_symlink("/proc/self/exe").parent_path() / "libnccl_stand_in.so").string();
}

bool can_stand_in() {
  bool can = accelerator() && !accelerator()->is_hardware() && fs::exists(stand_in()) && have_mpi();
  if (!can) MESSAGE("skipped: needs the simulated device and MPI");
  return can;
}

// What each process called, in order: "ncclAllReduce 1234".
std::vector<std::vector<std::string>> calls(const std::string& log, int processes) {
  std::vector<std::vector<std::string>> out(static_cast<size_t>(processes));
  std::istringstream lines(content(log));
  size_t rank = 0;
  for (std::string call; lines >> rank && std::getline(lines >> std::ws, call);) out.at(rank).push_back(call);
  return out;
}

int64_t count_of(const std::vector<std::string>& calls, const std::string& function) {
  return std::count_if(calls.begin(), calls.end(),
                       [&](const std::string& call) { return call.starts_with(function + " "); });
}

}  // namespace

TEST_CASE("nccl: 1, 2 and 3 processes train to the same weights on devices, and sum there") {
  if (!can_stand_in()) return;
  TempDir dir;
  std::string log = dir / "calls.txt";
  // Of 4 the last batch of an epoch has 2 pictures: with 3 processes one has none, and its step is recorded
  // apart.
  const std::vector<Job> jobs = {
      {"full", {"optimizer=sgd", "batch=4", "epochs=2"}, DType::f32, "cuda"},
      {"gradual", {"optimizer=adamw", "batch=3", "accumulate=2", "epochs=4"}, DType::f32, "cuda"},
      {"full", {"optimizer=sgd", "batch=4", "epochs=1", "freeze_bn=false"}, DType::f32, "cuda"}};
  std::vector<Tensors> one = trained(dir.path(), jobs, 1);
  int64_t steps = 0;
  for (const Tensors& job : one) steps += job.at("losses").numel();
  auto compare = [&](const std::string& nccl, int processes, size_t count) {
    fs::remove(log);
    std::vector<Tensors> several =
        trained(dir.path(), {jobs.begin(), jobs.begin() + static_cast<int64_t>(count)}, processes,
                str("GRAFT_NCCL='", nccl, "' STAND_IN_LOG='", log, "'"));
    for (size_t i = 0; i < count; ++i) {
      std::string job = str(jobs[i].strategy, ", ", processes, " processes: ");
      double off = difference(several[i], one[i]);
      MESSAGE(job << off);
      CHECK_MESSAGE(off < 1e-6, job);
    }
  };
  for (int processes : {2, 3}) {
    compare(stand_in(), processes, jobs.size());
    std::vector<std::vector<std::string>> called = calls(log, processes);
    CHECK(count_of(called[0], "ncclCommInitRank") == 1);
    CHECK(count_of(called[0], "ncclAllReduce") == steps);  // the network fits into one bucket
    CHECK(count_of(called[0], "ncclCommDestroy") == 1);
    for (const std::vector<std::string>& other : called) CHECK(other == called[0]);
  }
  compare("none", 2, 1);  // through the host's memory
  CHECK(!fs::exists(log));
}

TEST_CASE("nccl: an error of any call ends the job with NCCL's words, and leaves no state") {
  if (!can_stand_in()) return;
  TempDir dir;
  Job job{"full", {"optimizer=sgd", "epochs=2"}, DType::f32, "cuda"};
  for (const char* failing :
       {"ncclGetUniqueId:1:0", "ncclCommInitRank:1:1", "ncclAllReduce:3:1", "async:2:0"}) {
    INFO(std::string(failing));
    std::string variables =
        str("GRAFT_NCCL='", stand_in(), "' STAND_IN_LOG='", dir / "calls.txt", "' STAND_IN_FAILS=", failing);
    fs::remove(dir / "calls.txt");
    Ended ended = run_jobs(dir.path(), {job}, 2, variables);
    CHECK(ended.code == 70);
    std::string name(failing, std::string(failing).find(':'));
    std::string what = name == "async" ? "a sum under way" : name;
    std::string told = str("NCCL 2.27.3: ", what,
                           " on cuda:0: unhandled system error (the stand-in was told to fail); NCCL_DEBUG");
    CHECK_MESSAGE(ended.text.find(told) != std::string::npos, ended.text);
    bool had_one = name == "async" || name == "ncclAllReduce";
    CHECK((content(dir / "calls.txt").find("ncclCommAbort") != std::string::npos) == had_one);
    CHECK(!fs::exists(dir / "trained-0.safetensors"));
    CHECK(!transfer::Checkpoints(dir / "checkpoints").any());
  }
}

TEST_CASE("nccl: the program says once how gradients are summed, and refuses what is no NCCL") {
  if (!can_stand_in()) return;
  Bench bench(4);
  std::string tune =
      "tune data --model cifar_resnet20 --weights net.safetensors --strategy head --epochs 1 "
      "--no-cache --device cuda --out ";
  auto told = [&](const std::string& out, const std::string& nccl, const std::string& line) {
    Ran ran = bench.run(tune + out, str("GRAFT_NCCL='", nccl, "' ", mpirun(2)));
    REQUIRE_MESSAGE(ran.code == 0, ran.err);
    size_t first = ran.err.find(line);
    CHECK_MESSAGE(first != std::string::npos, ran.err);
    CHECK_MESSAGE(ran.err.find(line, first + 1) == std::string::npos, ran.err);
  };
  told("a", stand_in(), "graft tune: gradients are summed on the GPUs, by NCCL 2.27.3\n");
  told("b", "none", "gradients are summed through the host's memory: GRAFT_NCCL is none\n");
  check_complaint(bench.run(tune + "c", "GRAFT_NCCL=nowhere.so " + mpirun(2)), 64,
                  {"GRAFT_NCCL", "nowhere.so", "cannot be loaded", "none"});
  check_complaint(bench.run(tune + "c", str("GRAFT_NCCL='", mpi_plugin(), "' ", mpirun(2))), 64,
                  {"GRAFT_NCCL", "is no NCCL 2"});
  check_complaint(
      bench.run(tune + "c", str("STAND_IN_VERSION=1300 GRAFT_NCCL='", stand_in(), "' ", mpirun(2))), 64,
      {"GRAFT_NCCL", "is no NCCL 2"});
}

TEST_CASE("nccl: each process has the GPU of its number on its machine") {
  using transfer::own_gpu;
  CHECK(own_gpu({.rank = 5, .size = 8, .on_this_machine = 4, .rank_on_this_machine = 1}, 4).index == 1);
  CHECK(own_gpu({.rank = 0, .size = 1}, 1).index == 0);
  check_throws<UsageError>(
      [] { own_gpu({.rank = 6, .size = 8, .on_this_machine = 4, .rank_on_this_machine = 2}, 2); },
      {"process 6 is number 3 on its machine", "2 GPUs", "--device cpu", "cuda:0"});
  check_throws<UsageError>([] { own_gpu({.rank = 0, .size = 2, .on_this_machine = 2}, 0); }, {"0 GPUs"});
}

TEST_CASE("nccl: versions read as NVIDIA writes them") {
  CHECK(transfer::nccl_version_text(2408) == "2.4.8");
  CHECK(transfer::nccl_version_text(20905) == "2.9.5");
  CHECK(transfer::nccl_version_text(22703) == "2.27.3");
}
