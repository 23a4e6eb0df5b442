// Several processes through the real mpirun: training by members of a team, and the program.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "tests/app/program.h"
#include "tests/transfer/drawn.h"
#include "transfer/mpi_team.h"
#include "weights/checkpoint.h"
#include "weights/save.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;
namespace fs = std::filesystem;

namespace {

std::string plugin() {
  return (fs::path(program()).parent_path() / "libgraft_mpi.so").string();
}

std::string mpirun(int processes) {
  return str("mpirun --allow-run-as-root --oversubscribe --bind-to none -np ", processes);
}

bool have_mpi() {
  bool have = fs::exists(plugin()) && std::system("mpirun --version >/dev/null 2>&1") == 0;
  if (!have) MESSAGE("skipped: no mpirun, or a build without MPI");
  return have;
}

// What is trained is said by "job.txt" where the processes run: the strategy, the step that it is stopped
// after, and settings.
struct Job {
  std::string strategy;
  int64_t stop_after = 0;  // 0: never
  std::vector<std::string> settings;
  std::vector<int> processes = {2, 4};  // to compare with one
};

// Runs the next test case in that many processes, and reads what the leader left.
std::map<std::string, Tensor> trained(const std::string& folder, const Job& job, int processes) {
  std::string text = str(job.strategy, "\n", job.stop_after, "\n");
  for (const std::string& setting : job.settings) text += setting + "\n";
  write_file(folder + "/job.txt", text);
  fs::remove(folder + "/trained.safetensors");
  std::string self = fs::read_symlink("/proc/self/exe").string();
  std::string line =
      str("cd '", folder, "' && GRAFT_THREADS=1 GRAFT_MPI_PLUGIN='", plugin(), "' ", mpirun(processes), " '",
          self, "' --no-skip --test-case='mpi: a member of a team' >out.txt 2>&1");
  int status = std::system(line.c_str());
  REQUIRE_MESSAGE((status == 0) == (job.stop_after == 0), content(folder + "/out.txt"));
  std::map<std::string, Tensor> out;
  if (job.stop_after > 0) return out;
  auto file = weights::Checkpoint::open(folder + "/trained.safetensors");
  for (const weights::Entry& entry : file.entries()) out[entry.name] = file.read(entry.name);
  return out;
}

double largest(const Tensor& t) {
  double out = 0;
  for (double v : t.to(DType::f64).contiguous().span<double>()) out = std::max(out, std::abs(v));
  return out;
}

// Both relative to the largest weight of all.
double difference(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  double off = 0, size = 0;
  REQUIRE(a.size() == b.size());
  for (const auto& [name, t] : a) {
    if (name == "losses") continue;
    Tensor x = t.to(DType::f64).contiguous(), y = b.at(name).to(DType::f64).contiguous();
    for (int64_t i = 0; i < x.numel(); ++i)
      off = std::max(off, std::abs(x.data<double>()[i] - y.data<double>()[i]));
    size = std::max(size, largest(y));
  }
  return off / size;
}

}  // namespace

// No check of its own: what mpirun starts in each process of the cases below, which check what it leaves.
TEST_CASE("mpi: a member of a team" * doctest::skip()) {
  std::ifstream file("job.txt");
  std::string strategy, setting;
  int64_t stop_after = 0;
  std::getline(file, strategy);
  file >> stop_after >> std::ws;
  RetrainOptions options = quick_options(strategy.c_str());
  options.recipe.batch = 6;
  options.recipe.epochs = 34;  // of 18 pictures: 102 steps
  options.recipe.head_first = false;
  options.recipe.learning_rate = 0.01;
  while (std::getline(file, setting)) {
    size_t at = setting.find('=');
    set(options.recipe, setting.substr(0, at), setting.substr(at + 1));
  }
  std::unique_ptr<MpiTeam> team;
  if (launch().size > 1) team = MpiTeam::join();
  bool leads = !team || team->leads();
  options.hooks.team = team.get();
  Checkpoints checkpoints("checkpoints", 7);
  if (leads) options.hooks.checkpoints = &checkpoints;
  options.hooks.go_on = true;
  auto network = small_network(3);
  PictureSet train = drawn_pictures(3, 6, 8, 1), test = drawn_pictures(3, 7, 8, 2);
  struct Stop {};
  auto stop = [&](const Progress& p) {
    if (leads && stop_after > 0 && p.phase == "train" && p.done == stop_after) throw Stop();
  };
  try {
    RunResult result = retrain(*network, train, test, options, stop);
    CHECK(result.certificate.frozen_bytes_changed == 0);
    CHECK(result.receipt["processes"] == str(launch().size));
    CHECK(result.test.count == 21);
    std::vector<weights::SavedTensor> out;
    for (const nn::NamedTensor& t : nn::named_tensors(*network)) out.push_back({t.name, t.value()});
    auto steps = static_cast<int64_t>(result.step_losses.size());
    out.push_back({"losses", Tensor::from(result.step_losses, {steps})});
    if (leads) {
      weights::save_safetensors("trained.safetensors", out, {});
      checkpoints.remove();
    }
    if (team) team->leave();
  } catch (const Stop&) {
    if (team) team->abort(3);
    FAIL("stopped");
  } catch (const std::exception& e) {
    MESSAGE(e.what());
    if (team) team->abort(4);
    throw;
  }
}

TEST_CASE("mpi: 1, 2 and 4 processes train to the same weights in 102 steps of the same batches") {
  if (!have_mpi()) return;
  TempDir dir;
  const std::vector<Job> jobs = {
      {"full", 0, {"optimizer=sgd", "clip_norm=1"}},
      {"partial:1", 0, {"optimizer=adamw", "weight_decay=0.05"}},
      // The last batch of an epoch has 3 pictures: with 4 processes one has none.
      {"full", 0, {"optimizer=sgd", "batch=5", "class_weights=auto", "ema=0.9", "epochs=26"}, {4}},
      {"full",
       0,
       {"optimizer=sgd", "batch=3", "accumulate=2", "keep_best=true", "validation=0.3", "epochs=51"},
       {2}},
      {"gradual", 0, {"optimizer=sgd", "mixup=0.4", "label_smoothing=0.1"}, {4}}};
  for (const Job& job : jobs) {
    INFO(job.strategy << ", " << job.settings[1]);
    std::map<std::string, Tensor> one = trained(dir.path(), job, 1);
    CHECK(one.at("losses").numel() >= 100);
    for (int processes : job.processes) {
      INFO(processes << " processes");
      std::map<std::string, Tensor> several = trained(dir.path(), job, processes);
      double off = difference(several, one);
      MESSAGE(job.strategy << ", " << job.settings[1] << ", " << processes << " processes: " << off);
      CHECK(off < 1e-6);
      CHECK(max_relative_difference(several.at("losses"), one.at("losses")) < 1e-5);
    }
  }
}

TEST_CASE("mpi: a team that is stopped goes on to the same bits") {
  if (!have_mpi()) return;
  TempDir dir;
  Job job{"lora:2", 0, {"optimizer=adamw", "lora_dropout=0.3", "epochs=10"}};
  std::map<std::string, Tensor> whole = trained(dir.path(), job, 2);
  for (int64_t step : {1, 14, 23}) {
    job.stop_after = step;
    trained(dir.path(), job, 2);
    REQUIRE(fs::exists(dir / "checkpoints"));
    job.stop_after = 0;
    std::map<std::string, Tensor> rest = trained(dir.path(), job, 2);
    for (const auto& [name, t] : whole) CHECK_MESSAGE(bit_equal(rest.at(name), t), name);
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
  once(bench.run(tune + "--strategy scratch", mpirun(2)), 64, "freeze_bn=true");
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
