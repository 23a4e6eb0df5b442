// A team of the processes that mpirun started, on one machine or several.
#pragma once

#include <memory>

#include "transfer/mpi_plugin.h"
#include "transfer/team.h"

namespace graft::transfer {

// What mpirun (Open MPI's or MPICH's) or srun said in the environment; without them one process.
struct Launch {
  int rank = 0, size = 1;
  int on_this_machine = 1;  // of `size`
};
Launch launch();

// Loads libgraft_mpi.so, which lies beside the program or in ../lib/graft, or is the file that
// GRAFT_MPI_PLUGIN names. One per process.
class MpiTeam : public Team {
 public:
  // Throws UsageError where there is no such library, saying how to come by it.
  static std::unique_ptr<MpiTeam> join();

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void start_sum(const Tensor& values) override;
  void wait() override { mpi_.wait(); }
  void broadcast(std::span<std::byte> bytes) override;
  void barrier() override { mpi_.barrier(); }

  // When the work is done; waits for the others.
  void leave() { mpi_.finalize(); }
  // Ends every process of the job, with this exit code.
  [[noreturn]] void abort(int code);

 private:
  explicit MpiTeam(const graft_mpi_functions& mpi) : mpi_(mpi) { mpi_.init(&rank_, &size_); }
  const graft_mpi_functions& mpi_;
  int rank_ = 0, size_ = 1;
};

}  // namespace graft::transfer
