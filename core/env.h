// Every environment variable that graft reads, in one place; the README's table repeats these lines. Values
// are read when asked for, so a test can set them.
#pragma once

#include <cstdlib>
#include <string>

namespace graft::env {

inline std::string get(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// GRAFT_ASSETS: folder of published checkpoints and photos for the tests; unset, those tests are skipped.
inline std::string assets() {
  return get("GRAFT_ASSETS");
}
// GRAFT_THREADS: threads that compute, 1 to 256; unset, one per processor this process may use.
inline std::string threads() {
  return get("GRAFT_THREADS");
}
// GRAFT_CPU: forces the instruction level of the CPU kernels: v2, v3 or v4; unset, the best that the machine
// has.
inline std::string cpu() {
  return get("GRAFT_CPU");
}
// GRAFT_CACHE: folder of the cached features; unset, a folder `graft` under XDG_CACHE_HOME or ~/.cache.
inline std::string cache() {
  return get("GRAFT_CACHE");
}
// GRAFT_MPI_PLUGIN: the file libgraft_mpi.so, which is loaded where mpirun started several processes; unset,
// it is looked for beside the program and in ../lib/graft.
inline std::string mpi_plugin() {
  return get("GRAFT_MPI_PLUGIN");
}
// GRAFT_NCCL: the file libnccl.so.2, by which several processes sum gradients on their GPUs; unset, it is
// looked for where the system finds libraries. "none": sums go through the host's memory.
inline std::string nccl() {
  return get("GRAFT_NCCL");
}
// GRAFT_PARITY: folder of full-size references that tests/parity/torchvision_parity.sh writes; unset, that
// test is skipped.
inline std::string parity() {
  return get("GRAFT_PARITY");
}
// GRAFT_SIM_WATCH: 1 watches every simulated kernel; a race, a read of shared memory that nobody wrote and an
// access outside of any allocation become errors. About 30 times slower.
inline bool sim_watch() {
  return get("GRAFT_SIM_WATCH") == "1";
}
// GRAFT_REQUIRE_CUDA: 1 makes "no GPU" a test failure.
inline bool require_cuda() {
  return get("GRAFT_REQUIRE_CUDA") == "1";
}
// GRAFT_SIM_SCHEDULE: the order in which the kernel simulator runs a block's threads: forward, reversed,
// random or random:SEED; unset, forward. Results must not depend on it.
inline std::string sim_schedule() {
  return get("GRAFT_SIM_SCHEDULE");
}
// GRAFT_SYNC: 1 waits for each CUDA kernel, so that an error names the kernel that made it.
inline bool sync() {
  return get("GRAFT_SYNC") == "1";
}
// GRAFT_DEBUG: 1 writes a line for each CUDA kernel that is launched, with its grid, to standard error.
inline bool debug() {
  return get("GRAFT_DEBUG") == "1";
}
// GRAFT_CAPABILITY: 80 lets CUDA kernels use no more than compute capability 8.0, on a newer GPU too; the
// simulated device has 90 unless told.
inline std::string capability() {
  return get("GRAFT_CAPABILITY");
}

}  // namespace graft::env
