// A team of the processes that mpirun started, on one machine or several.
#pragma once

#include <memory>

#include "transfer/mpi_plugin.h"
#include "transfer/team.h"

namespace graft::transfer {

// What mpirun (Open MPI's or MPICH's) or srun said in the environment; without them one process.
struct Launch {
  int rank = 0, size = 1;
  int on_this_machine = 1;       // of `size`
  int rank_on_this_machine = 0;  // from 0
};
Launch launch();
// Of a machine with so many GPUs the one that this process computes on: one each. Throws UsageError where
// there are fewer GPUs than processes.
Device own_gpu(const Launch& launch, int gpus);

// Loads libgraft_mpi.so, which lies beside the program or in ../lib/graft, or is the file that
// GRAFT_MPI_PLUGIN names. One per process.
class MpiTeam : public Team {
 public:
  // Throws UsageError where there is no such library, saying how to come by it.
  static std::unique_ptr<MpiTeam> join();

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void sum(const Tensor& values) override;
  void start_sum(const Tensor& values) override;
  void wait() override { mpi_.wait(); }
  // By NCCL, where every member has it.
  DeviceSums* device_sums(Device device) override;
  // How gradients on this device are summed: "on the GPUs, by NCCL 2.27.3", "through the host's memory: no
  // libnccl.so.2 was found (...)"
  std::string describe_sums(Device device);
  void broadcast(std::span<std::byte> bytes) override;
  void barrier() override { mpi_.barrier(); }

  // When the work is done; waits for the others.
  void leave();
  // Ends every process of the job, with this exit code.
  [[noreturn]] void abort(int code);

 private:
  explicit MpiTeam(const graft_mpi_functions& mpi) : mpi_(mpi) { mpi_.init(&rank_, &size_); }
  const graft_mpi_functions& mpi_;
  int rank_ = 0, size_ = 1;
  bool have_looked_ = false;  // for what sums on devices
  std::unique_ptr<DeviceSums> device_sums_;
  std::string why_not_;  // empty where there is one
};

}  // namespace graft::transfer
