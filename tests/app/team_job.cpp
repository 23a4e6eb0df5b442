#include "tests/app/team_job.h"

#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/file.h"
#include "tests/app/program.h"
#include "tests/transfer/drawn.h"
#include "transfer/mpi_team.h"
#include "weights/checkpoint.h"
#include "weights/save.h"

namespace graft::test {

using namespace transfer;
namespace fs = std::filesystem;

std::string mpi_plugin() {
  return (fs::path(program()).parent_path() / "libgraft_mpi.so").string();
}

std::string mpirun(int processes) {
  return str("mpirun --allow-run-as-root --oversubscribe --bind-to none -np ", processes);
}

bool have_mpi() {
  bool have = fs::exists(mpi_plugin()) && std::system("mpirun --version >/dev/null 2>&1") == 0;
  if (!have) MESSAGE("skipped: no mpirun, or a build without MPI");
  return have;
}

namespace {

std::string result_file(size_t job) {
  return str("trained-", job, ".safetensors");
}

// The jobs stand in "jobs.txt" where the processes run, an empty line after each.
void write_jobs(const std::string& path, const std::vector<Job>& jobs) {
  std::string text;
  for (const Job& job : jobs) {
    text += str(job.strategy, " ", to_text(job.dtype), " ", job.device, " ", job.stop_after, " ",
                job.signal_after, " ", job.signalled, "\n");
    for (const std::string& setting : job.settings) text += setting + "\n";
    text += "\n";
  }
  write_file(path, text);
}

std::vector<Job> read_jobs(const std::string& path) {
  std::vector<Job> jobs;
  std::ifstream file(path);
  std::string line, type;
  for (Job job; std::getline(file, line); jobs.push_back(job), job = {}) {
    std::istringstream words(line);
    words >> job.strategy >> type >> job.device >> job.stop_after >> job.signal_after >> job.signalled;
    job.dtype = type == "f64" ? DType::f64 : DType::f32;
    while (std::getline(file, line) && !line.empty()) job.settings.push_back(line);
  }
  return jobs;
}

}  // namespace

Ended run_jobs(const std::string& folder, const std::vector<Job>& jobs, int processes,
               const std::string& variables) {
  write_jobs(folder + "/jobs.txt", jobs);
  for (size_t i = 0; i < jobs.size(); ++i) fs::remove(folder + "/" + result_file(i));
  std::string self = fs::read_symlink("/proc/self/exe").string();
  std::string line = str("cd '", folder, "' && ", variables, " GRAFT_THREADS=1 GRAFT_MPI_PLUGIN='",
                         mpi_plugin(), "' timeout 1200 ", mpirun(processes), " '", self,
                         "' --no-skip --test-case='mpi: a member of a team' >out.txt 2>&1");
  int status = std::system(line.c_str());
  Ended out{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), content(folder + "/out.txt")};
  for (size_t i = 0; out.code == 0 && i < jobs.size(); ++i) {
    auto file = weights::Checkpoint::open(folder + "/" + result_file(i));
    Tensors& tensors = out.tensors.emplace_back();
    for (const weights::Entry& entry : file.entries()) tensors[entry.name] = file.read(entry.name);
  }
  return out;
}

std::vector<Tensors> trained(const std::string& folder, const std::vector<Job>& jobs, int processes,
                             const std::string& variables) {
  Ended ended = run_jobs(folder, jobs, processes, variables);
  REQUIRE_MESSAGE(ended.code == 0, ended.text);
  return ended.tensors;
}

double difference(const Tensors& a, const Tensors& b) {
  double off = 0, size = 0;
  REQUIRE(a.size() == b.size());
  for (const auto& [name, t] : a) {
    if (name == "losses") continue;
    Tensor x = t.to(DType::f64).contiguous(), y = b.at(name).to(DType::f64).contiguous();
    REQUIRE(x.numel() == y.numel());
    for (int64_t i = 0; i < x.numel(); ++i) {
      off = std::max(off, std::abs(x.data<double>()[i] - y.data<double>()[i]));
      if (is_float(t.dtype())) size = std::max(size, std::abs(y.data<double>()[i]));
    }
  }
  return off / size;
}

namespace {

// Three classes, of 9, 6 and 3 pictures.
PictureSet unequal_classes() {
  PictureSet set = drawn_pictures(3, 6, 8, 1);
  std::fill(set.labels.end() - 3, set.labels.end(), 0);
  return set;
}

RetrainOptions options_of(const Job& job) {
  RetrainOptions options = quick_options(job.strategy.c_str());
  options.compute.device = parse_device(job.device);
  options.recipe.batch = 6;
  options.recipe.epochs = 34;  // 102 steps
  options.recipe.head_first = false;
  options.recipe.learning_rate = 0.01;
  for (const std::string& setting : job.settings) {
    size_t at = setting.find('=');
    set(options.recipe, setting.substr(0, at), setting.substr(at + 1));
  }
  options.hooks.go_on = true;
  return options;
}

struct Stop {};

void leave_result(const std::string& path, nn::Module& network, const RunResult& result) {
  std::vector<weights::SavedTensor> out;
  for (const nn::NamedTensor& t : nn::named_tensors(network)) out.push_back({t.name, t.value()});
  auto steps = static_cast<int64_t>(result.step_losses.size());
  out.push_back({"losses", Tensor::from(result.step_losses, {steps})});
  weights::save_safetensors(path, out, {});
}

void do_job(const Job& job, MpiTeam* team, const std::string& result_path) {
  RetrainOptions options = options_of(job);
  bool leads = !team || team->leads();
  options.hooks.team = team;
  Checkpoints checkpoints("checkpoints", 7);
  if (leads) options.hooks.checkpoints = &checkpoints;
  int signal = 0;
  if (team) {
    team->notice = [&] { return signal; };
    team->heed = [&](int found, const std::string&) {
      team->leave();
      std::_Exit(128 + found);
    };
    options.hooks.after_step = [&](int64_t step) {
      if (step == job.signal_after && team->rank() == job.signalled) signal = SIGTERM;
    };
  }
  auto stop = [&](const Progress& p) {
    if (leads && p.phase == "train" && p.done == job.stop_after) throw Stop();
  };
  nn::CifarResNet network({{8, 16}, {1, 1}}, 3, 3, job.dtype);
  RunResult result = retrain(network, unequal_classes(), drawn_pictures(3, 7, 8, 2), options, stop);
  CHECK(result.certificate.frozen_bytes_changed == 0);
  CHECK(result.receipt["processes"] == str(launch().size));
  CHECK(result.test.count == 21);
  if (!leads) return;
  leave_result(result_path, network, result);
  checkpoints.remove();
}

}  // namespace

// No check of its own: what mpirun starts in each process of the cases that check what it leaves.
TEST_CASE("mpi: a member of a team" * doctest::skip()) {
  std::unique_ptr<MpiTeam> team;
  if (launch().size > 1) team = MpiTeam::join();
  try {
    std::vector<Job> jobs = read_jobs("jobs.txt");
    for (size_t i = 0; i < jobs.size(); ++i) do_job(jobs[i], team.get(), result_file(i));
    if (team) team->leave();
  } catch (const Stop&) {
    if (team) team->abort(3);
    FAIL("stopped");
  } catch (const Error& e) {
    MESSAGE(std::string(e.what()));
    if (team) team->abort(e.exit_code());
    throw;
  }
}

}  // namespace graft::test
