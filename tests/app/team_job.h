// Trainings by several processes through the real mpirun, and by one, on the same batches.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace graft::test {

// The file libgraft_mpi.so of this build.
std::string mpi_plugin();
// "mpirun ... -np 2"
std::string mpirun(int processes);
// Whether there is an mpirun and the build knows MPI; says so where not.
bool have_mpi();

// What is trained: a small network on 18 drawn pictures of three classes, 9, 6 and 3 of them; 102 steps
// unless the settings say otherwise.
struct Job {
  std::string strategy;
  std::vector<std::string> settings;
  // Where a number near 0 is rounded to either side of it, a ReLU passes a gradient in one run and not in the
  // other: f32 cannot promise more than a few digits of any training, and f64 tells a wrong sum from that.
  DType dtype = DType::f64;
  std::string device = "cpu";
  int64_t stop_after = 0;  // the leader ends the job after this step with code 3; 0: never
  // After this step (0: none) SIGTERM comes to this member, and the others hear of it: code 143.
  int64_t signal_after = 0;
  int signalled = 0;
};

using Tensors = std::map<std::string, Tensor>;

// How the processes ended that did some jobs one after the other.
struct Ended {
  int code = -1;
  std::string text;  // what all of them wrote
  // Of code 0, for each job: what the network holds now, and "losses", of each step.
  std::vector<Tensors> tensors = {};
};
// In a folder, with variables, "NAME=value NAME=value".
Ended run_jobs(const std::string& folder, const std::vector<Job>& jobs, int processes,
               const std::string& variables = "");
// The tensors of jobs that must end well.
std::vector<Tensors> trained(const std::string& folder, const std::vector<Job>& jobs, int processes,
                             const std::string& variables = "");

// The largest difference of two networks, relative to the largest weight of all.
double difference(const Tensors& a, const Tensors& b);

}  // namespace graft::test
