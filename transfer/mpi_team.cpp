#include "transfer/mpi_team.h"

#include <dlfcn.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "core/env.h"
#include "core/error.h"
#include "transfer/nccl.h"

namespace graft::transfer {
namespace {

namespace fs = std::filesystem;

// The first of these variables that holds a number.
int number_in(std::initializer_list<const char*> names, int otherwise) {
  for (const char* name : names) {
    std::string text = env::get(name);
    int value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && value >= 0) return value;
  }
  return otherwise;
}

std::string plugin_path() {
  if (std::string named = env::mpi_plugin(); !named.empty()) return named;
  std::error_code error;
  fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* place : {"libgraft_mpi.so", "../lib/graft/libgraft_mpi.so"}) {
    if (fs::exists(folder / place, error)) return (folder / place).string();
  }
  return "";
}

void check_summable(const Tensor& values) {
  values.require_cpu("team");
  bool fits = values.is_contiguous() && (values.dtype() == DType::f32 || values.dtype() == DType::f64);
  GRAFT_CHECK(fits, "team: a sum of ", values, "; a contiguous tensor in f32 or f64 is expected");
}

}  // namespace

Launch launch() {
  Launch out;
  out.size = number_in({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}, 0);
  // srun gives the size for both of its ways; without PMI or PMIx these are separate runs.
  if (out.size == 0) out.size = env::get("PMIX_RANK").empty() ? 1 : number_in({"SLURM_STEP_NUM_TASKS"}, 1);
  out.rank = number_in({"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"}, 0);
  out.on_this_machine = number_in({"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"}, out.size);
  out.rank_on_this_machine =
      number_in({"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"}, out.rank);
  return out;
}

Device own_gpu(const Launch& launch, int gpus) {
  GRAFT_CHECK_AS(UsageError, launch.rank_on_this_machine < gpus, "process ", launch.rank, " is number ",
                 launch.rank_on_this_machine + 1, " on its machine, which has ", gpus,
                 gpus == 1 ? " GPU" : " GPUs",
                 " that graft can use: each process computes on a GPU of its own. Start as many processes as "
                 "there are GPUs, or use --device cpu; where each process is shown one GPU alone "
                 "(CUDA_VISIBLE_DEVICES, srun --gpus-per-task=1), say --device cuda:0");
  return {Device::Type::cuda, launch.rank_on_this_machine};
}

std::unique_ptr<MpiTeam> MpiTeam::join() {
  std::string path = plugin_path();
  GRAFT_CHECK_AS(
      UsageError, !path.empty(), "mpirun started ", launch().size,
      " processes, but this graft was built without MPI (no libgraft_mpi.so beside the program or in "
      "../lib/graft): install libopenmpi-dev and build again, name the file with GRAFT_MPI_PLUGIN, or "
      "start one process");
  // Open MPI loads parts of its own, which look for its symbols among the global ones.
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  GRAFT_CHECK_AS(UsageError, library, path, ": cannot be loaded: ", ::dlerror(),
                 "; is the MPI that graft was built with installed here?");
  auto functions = reinterpret_cast<decltype(&graft_mpi)>(::dlsym(library, "graft_mpi"));
  GRAFT_CHECK_AS(UsageError, functions && functions()->version == GRAFT_MPI_VERSION, path,
                 ": is not of this version of graft; take the one that was built with it");
  return std::unique_ptr<MpiTeam>(new MpiTeam(*functions()));
}

void MpiTeam::sum(const Tensor& values) {
  check_summable(values);
  if (values.dtype() == DType::f64) {
    mpi_.sum_f64(values.data<double>(), values.numel());
  } else {
    mpi_.sum_f32(values.data<float>(), values.numel());
  }
}

void MpiTeam::start_sum(const Tensor& values) {
  check_summable(values);
  if (values.dtype() == DType::f64) {
    mpi_.start_sum_f64(values.data<double>(), values.numel());
  } else {
    mpi_.start_sum_f32(values.data<float>(), values.numel());
  }
}

DeviceSums* MpiTeam::device_sums(Device device) {
  if (have_looked_) return device_sums_.get();
  have_looked_ = true;
  FoundNccl found = find_nccl();
  Tensor have = Tensor::zeros({size_}, DType::f64);
  have.data<double>()[rank_] = found.library != nullptr;
  sum(have);
  auto all = have.span<double>();
  auto lacks = std::find(all.begin(), all.end(), 0.0);
  if (found.library && lacks == all.end()) {
    device_sums_ = join_nccl(*found.library, *this, device);
  } else {
    auto first = lacks - all.begin();
    why_not_ = first == rank_ ? found.why_not : str("process ", first, " has no NCCL");
  }
  return device_sums_.get();
}

std::string MpiTeam::describe_sums(Device device) {
  if (DeviceSums* sums = device_sums(device)) return "on the GPUs, by " + sums->name();
  return "through the host's memory: " + why_not_;
}

void MpiTeam::leave() {
  device_sums_.reset();  // as long as all are there
  mpi_.finalize();
}

void MpiTeam::broadcast(std::span<std::byte> bytes) {
  mpi_.broadcast(bytes.data(), static_cast<int64_t>(bytes.size()));
}

void MpiTeam::abort(int code) {
  mpi_.abort(code);
  std::_Exit(code);
}

}  // namespace graft::transfer
