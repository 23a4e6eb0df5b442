// Several processes through the real mpirun: training by members of a team, and the program.
#include <sys/wait.h>

#include <csignal>
#include <filesystem>

#include "core/file.h"
#include "tests/app/program.h"
#include "tests/app/team_job.h"

using namespace graft;
using namespace graft::test;
namespace fs = std::filesystem;

TEST_CASE("mpi: 1, 2 and 4 processes train to the same weights in 102 steps of the same batches") {
  if (!have_mpi()) return;
  TempDir dir;
  // Of 5 the last batch of an epoch has 3 pictures: with 4 processes one has none. Without freeze_bn the
  // statistics of batch norms are the whole batch's.
  const std::vector<Job> jobs = {
      {"full", {"optimizer=sgd", "clip_norm=1"}},
      {"partial:1", {"optimizer=adamw", "weight_decay=0.05"}},
      {"partial:1", {"optimizer=sgd", "weight_decay=0.05"}, DType::f32},
      {"full", {"optimizer=sgd", "batch=5", "class_weights=auto", "ema=0.9", "epochs=26"}},
      {"full", {"optimizer=sgd", "batch=3", "accumulate=2", "keep_best=true", "validation=0.3", "epochs=51"}},
      {"gradual", {"optimizer=sgd", "mixup=0.4", "label_smoothing=0.1"}},
      {"full", {"optimizer=sgd", "class_weights=auto", "cutmix=1", "mixup=0.2", "label_smoothing=0.1"}},
      {"full", {"optimizer=sgd", "freeze_bn=false", "batch=5", "epochs=26"}, DType::f32},
      {"scratch", {"optimizer=adamw", "batch=5", "epochs=5"}}};
  std::vector<Tensors> one = trained(dir.path(), jobs, 1);
  for (int processes : {2, 4}) {
    std::vector<Tensors> several = trained(dir.path(), jobs, processes);
    for (size_t i = 0; i < jobs.size(); ++i) {
      bool wide = jobs[i].dtype == DType::f64;
      std::string job = str(jobs[i].strategy, ", ", jobs[i].settings[1], wide ? ", f64, " : ", f32, ",
                            processes, " processes: ");
      INFO(job);
      double off = difference(several[i], one[i]);
      double loss_off = max_relative_difference(several[i].at("losses"), one[i].at("losses"));
      MESSAGE(job << off << ", losses " << loss_off);
      CHECK(one[i].at("losses").numel() >= (jobs[i].strategy == "scratch" ? 20 : 100));
      CHECK(off < (wide ? 1e-9 : 1e-6));
      CHECK(loss_off < (wide ? 1e-8 : 1e-5));
    }
  }
}

TEST_CASE("mpi: a team that is stopped goes on to the same bits") {
  if (!have_mpi()) return;
  TempDir dir;
  Job job{"lora:2", {"optimizer=adamw", "lora_dropout=0.3", "epochs=10"}, DType::f32};
  Tensors whole = trained(dir.path(), {job}, 2)[0];
  for (int64_t step : {1, 14, 23}) {
    job.stop_after = step;
    REQUIRE(run_jobs(dir.path(), {job}, 2).code == 3);
    REQUIRE(fs::exists(dir / "checkpoints"));
    job.stop_after = 0;
    Tensors rest = trained(dir.path(), {job}, 2)[0];
    for (const auto& [name, t] : whole) CHECK_MESSAGE(bit_equal(rest.at(name), t), name);
  }
}

TEST_CASE(
    "mpi: a signal to any member is every member's: one state is saved, and it goes on to the same bits") {
  if (!have_mpi()) return;
  TempDir dir;
  Job job{"full", {"optimizer=adamw", "freeze_bn=false", "epochs=3"}, DType::f32};
  Tensors whole = trained(dir.path(), {job}, 2)[0];
  for (auto [member, step] : {std::pair{0, 1}, {1, 5}}) {
    INFO("step " << step << ", process " << member);
    job.signal_after = step;
    job.signalled = member;
    REQUIRE(run_jobs(dir.path(), {job}, 2).code == 128 + SIGTERM);
    // The others hear of it in the next step.
    CHECK(fs::exists(dir / str("checkpoints/step-0000000", step + 1, ".checkpoint")));
    job.signal_after = 0;
    Tensors rest = trained(dir.path(), {job}, 2)[0];
    for (const auto& [name, t] : whole) CHECK_MESSAGE(bit_equal(rest.at(name), t), name);
  }
}

// Which phase a signal meets depends on the machine; what must hold does not.
TEST_CASE(
    "mpi: SIGTERM to a process of the program, or to mpirun, leaves a run that goes on to the same file") {
  if (!have_mpi()) return;
  Bench bench;
  std::string tune = str("tune data --model cifar_resnet20 --weights net.safetensors --no-cache --threads 1 ",
                         "--strategy partial:1 --set epochs=16 --checkpoint-every 1 --out ");
  REQUIRE(bench.run(tune + "whole", mpirun(2)).code == 0);
  for (const char* to : {"1", "mpirun"}) {
    INFO("to " << to);
    std::string out = str("run-", to);
    write_file(bench.dir / "each.sh", str("echo $$ >pid$OMPI_COMM_WORLD_RANK; exec '", program(), "' ", tune,
                                          out, " >out.txt 2>err$OMPI_COMM_WORLD_RANK.txt\n"));
    write_file(bench.dir / "stop.sh",
               str("cd '", bench.dir.path(), "'; rm -f pid1; ", mpirun(2),
                   " sh each.sh 2>mpirun.txt & pidmpirun=$!; i=0\n", "while [ $i -lt 600 ] && ! ls ", out,
                   "/checkpoints/*.checkpoint >/dev/null 2>&1; ", "do sleep 0.1; i=$((i+1)); done\n",
                   "pid1=$(cat pid1); kill -TERM $pid", to, "; wait $pidmpirun\n"));
    int status = std::system(str("sh '", bench.dir / "stop.sh", "'").c_str());
    REQUIRE(WIFEXITED(status));
    std::string said = content(bench.dir / "err0.txt");
    int code = WEXITSTATUS(status);
    bool mpiruns = std::string(to) == "mpirun";  // whose exit code is its own
    bool done =
        fs::exists(bench.dir / (out + "/model.graft")) && !fs::exists(bench.dir / (out + "/checkpoints"));
    CHECK_MESSAGE((mpiruns || code == (done ? 0 : 128 + SIGTERM)), said);
    if (!done && !mpiruns) {
      CHECK_MESSAGE(said.find("graft tune: stopped (training, step ") != std::string::npos, said);
      CHECK_MESSAGE(said.find(str("--out ", out, " --resume")) != std::string::npos, said);
      CHECK_MESSAGE(content(bench.dir / "err1.txt").find("graft") == std::string::npos, "told twice");
    }
    if (!done) {
      CHECK_MESSAGE(fs::exists(bench.dir / (out + "/checkpoints")), said);
      Ran rest = bench.run(tune + out + " --resume", mpirun(2));
      REQUIRE_MESSAGE(rest.code == 0, rest.err);
    }
    CHECK(content(bench.dir / (out + "/model.graft")) == content(bench.dir / "whole/model.graft"));
  }
}

TEST_CASE("mpi: the program tells and writes everything once") {
  if (!have_mpi()) return;
  Bench bench;
  std::string tune = "tune data --model cifar_resnet20 --weights net.safetensors --epochs 2 --batch 8 ";
  Ran ran = bench.run(tune + "--strategy partial:1 --no-cache --out run --json t.json", mpirun(2));
  REQUIRE_MESSAGE(ran.code == 0, ran.err);
  CHECK(ran.out.find("wrote run") != std::string::npos);
  CHECK(ran.out.find("wrote run") == ran.out.rfind("wrote run"));
  auto result = parsed(bench.dir / "t.json");
  CHECK(result["frozen_bytes_changed"] == 0);
  CHECK(content(bench.dir / "run/report.html").find("2 processes trained together") != std::string::npos);
  REQUIRE(bench.run("eval run/model.graft data").code == 0);
  // Features are shared out and cached by the leader; the head is the one that a single process finds.
  std::string head = tune + "--strategy head --out ";
  std::string cache = str("GRAFT_CACHE='", bench.dir.path(), "/cache' ");
  REQUIRE(bench.run(head + "a --no-cache").code == 0);
  for (const char* out : {"b", "c"}) {
    ran = bench.run(head + out, cache + mpirun(2));
    REQUIRE_MESSAGE(ran.code == 0, ran.err);
  }
  auto accuracy = [&](const std::string& run) { return parsed(bench.dir / (run + "/metrics.json"))["loss"]; };
  CHECK(accuracy("a") == accuracy("b"));
  CHECK(accuracy("a") == accuracy("c"));
}

TEST_CASE("mpi: an error is told once, ends every process, and says what to do") {
  if (!have_mpi()) return;
  Bench bench;
  std::string tune =
      "tune data --model cifar_resnet20 --weights net.safetensors --epochs 2 --no-cache --out run ";
  auto once = [&](const Ran& ran, int code, const std::string& part) {
    CHECK_MESSAGE(ran.code == code, ran.err);
    size_t first = ran.err.find(part);
    CHECK_MESSAGE(first != std::string::npos, ran.err);
    CHECK_MESSAGE(ran.err.find(part, first + 1) == std::string::npos, ran.err);
  };
  once(bench.run(tune + "--strategy most", mpirun(3)), 64, "is none of head");
  once(bench.run("tune nowhere --model cifar_resnet20 --weights net.safetensors", mpirun(2)), 65, "nowhere");
  once(bench.run("eval net.safetensors data", mpirun(2)), 64, "only tune divides its work");
  // One process alone, before and after the first exchange.
  std::string command = str("'", program(), "' ", tune, "--strategy partial:1");
  auto of_two = [&](const std::string& second) {
    write_file(bench.dir / "each.sh",
               str("if [ \"$OMPI_COMM_WORLD_RANK\" = 1 ]; then ", second, "; else exec ", command, "; fi\n"));
    std::string line =
        str("cd '", bench.dir.path(), "' && timeout 60 ", mpirun(2), " sh each.sh >out.txt 2>err.txt");
    int status = std::system(line.c_str());
    return Ran{WEXITSTATUS(status), "", content(bench.dir / "err.txt")};
  };
  fs::copy(bench.dir / "net.safetensors", bench.dir / "broken.safetensors");
  fs::resize_file(bench.dir / "broken.safetensors", 1000);
  std::string other = str("exec ", command, " "), broken = other;
  broken.replace(broken.find("net.safetensors"), 15, "broken.safetensors");
  once(of_two(broken), 65, "process 1 of 2");
  once(of_two(other + "--seed 3"), 70, "seed of process 1 and of process 0 differ");
  CHECK(!fs::exists(bench.dir / "run/model.graft"));
}

TEST_CASE("mpi: a build without MPI that mpirun started says so, and does not run as often") {
  TempDir dir;
  fs::copy(program(), dir / "graft");
  auto run = [&](const std::string& variables) {
    std::string line =
        str("cd '", dir.path(), "' && ", variables,
            " OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 ./graft tune data --model resnet18 "
            "--strategy scratch 2>err.txt");
    int status = std::system(line.c_str());
    return Ran{WEXITSTATUS(status), "", content(dir / "err.txt")};
  };
  check_complaint(run(""), 64, {"2 processes", "without MPI", "libopenmpi-dev"});
  check_complaint(run("GRAFT_MPI_PLUGIN=nowhere.so"), 64, {"nowhere.so", "cannot be loaded"});
}
