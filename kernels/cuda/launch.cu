#include "kernels/cuda/launch.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>

#include "core/env.h"
#include "core/error.h"
#include "kernels/cuda/recording.h"

namespace graft::kernels::cuda {
namespace {

std::string to_text(const dim3& size) {
  return str(size.x, "x", size.y, "x", size.z);
}

std::string to_text(const Work& work) {
  return str("grid ", to_text(work.grid), ", block ", to_text(work.block), ", shared ", work.shared_bytes);
}

}  // namespace

unsigned grid_size(int64_t blocks) {
  GRAFT_CHECK(blocks >= 0 && blocks <= std::numeric_limits<int32_t>::max(), "launch: a grid of ", blocks,
              " blocks");
  return static_cast<unsigned>(blocks);
}

int allowed_capability(int of_device) {
  std::string wanted = env::capability();
  if (wanted.empty()) return of_device;
  int value = 0;
  auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), value);
  GRAFT_CHECK_AS(UsageError, error == std::errc() && *end == 0 && value >= 80, "GRAFT_CAPABILITY: \"",
                 printable(wanted), "\" is not a compute capability such as 80 or 90");
  return std::min(value, of_device);
}

namespace detail {

bool begin_launch(const char* name, const Work& work, [[maybe_unused]] const void* kernel) {
  const auto& [grid, block, shared_bytes] = work;
  int64_t threads = int64_t{block.x} * block.y * block.z;
  GRAFT_CHECK(threads >= 1 && threads <= 1024 && block.z <= 64, "kernel ", name,
              ": a block has 1 to 1024 threads (", to_text(work), ")");
  GRAFT_CHECK(grid.y <= 65535 && grid.z <= 65535, "kernel ", name,
              ": the y and z axes of a grid end at 65535 (", to_text(work), ")");
  int64_t most = facts().shared_bytes;
  GRAFT_CHECK(static_cast<int64_t>(shared_bytes) <= most, "kernel ", name, ": wants ", shared_bytes,
              " bytes of shared memory; a block of this device has up to ", most);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return false;
  if (env::debug()) std::fprintf(stderr, "graft: kernel %s: %s\n", name, to_text(work).c_str());
#ifndef GRAFT_SIM
  if (shared_bytes > 48 * 1024) {  // beyond this a kernel must ask
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          name);
  }
#endif
  return true;
}

#ifdef GRAFT_SIM
bool is_recording() {
  return Recording::here() != nullptr;
}
void record(const char* name, const void* kernel, std::function<void()> play) {
  Recording::here()->kernel(name, kernel, std::move(play));
}
#else
cudaError_t start(const char* name, const void* kernel, const cudaLaunchConfig_t& config, void** arguments) {
  if (Recording* recording = Recording::here()) return recording->kernel(name, kernel, config, arguments);
  return cudaLaunchKernelExC(&config, kernel, arguments);
}
void end_launch(const char* name, const Work& work, cudaError_t status) {
  if (status == cudaSuccess && env::sync() && !Recording::here()) status = cudaStreamSynchronize(stream());
  GRAFT_CHECK_AS(DeviceError, status == cudaSuccess, "kernel ", name, ": ", cudaGetErrorString(status), " (",
                 to_text(work), ")");
}
#endif

}  // namespace detail
}  // namespace graft::kernels::cuda
