// launch("softmax", softmax_rows<T>, Work{grid, block, shared_bytes}, arguments...): the one way to start a
// kernel. It checks the sizes, traces (GRAFT_DEBUG), waits where asked to (GRAFT_SYNC), and its errors name
// the kernel. In a simulator build it runs the kernel on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/runtime.h"
#ifdef GRAFT_SIM
#include "kernels/cuda/sim/simulator.h"
#include "kernels/cuda/sim/sizes.h"
#endif

namespace graft::kernels::cuda {

// The shape of a launch. A grid with an axis of 0 is no work: nothing is started.
struct Work {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;  // dynamic
};

// The x axis of a grid is the only one with room for large counts: up to 2^31 - 1 blocks.
unsigned grid_size(int64_t blocks);

// Enough blocks that each of n items has a thread.
inline Work one_thread_per(int64_t n, unsigned threads = 256) {
  return {dim3(grid_size((n + threads - 1) / threads)), dim3(threads)};
}
inline Work one_block_per(int64_t n, unsigned threads, size_t shared_bytes = 0) {
  return {dim3(grid_size(n)), dim3(threads), shared_bytes};
}

namespace detail {
// Checks and traces; false where there is nothing to do. `kernel` is the function that is started.
bool begin_launch(const char* name, const Work& work, const void* kernel);
#ifdef GRAFT_SIM
// Where this thread records a step (recording.h), `play` is kept for later instead of being called.
bool is_recording();
void record(const char* name, const void* kernel, std::function<void()> play);
#else
cudaError_t start(const char* name, const void* kernel, const cudaLaunchConfig_t& config, void** arguments);
void end_launch(const char* name, const Work& work, cudaError_t status);
#endif
}  // namespace detail

template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const Work& work,
            const Arguments&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "launch: one argument for each parameter");
  if (!detail::begin_launch(name, work, reinterpret_cast<const void*>(kernel))) return;
#ifdef GRAFT_SIM
  std::tuple<Parameters...> values(static_cast<Parameters>(arguments)...);
  if (detail::is_recording()) {
    detail::record(name, reinterpret_cast<const void*>(kernel), [name, kernel, work, values] {
      auto start = kernel;  // these two on the stack, as those of a launch: a watched kernel may read them
      auto now = values;
      sim::run(name, work.grid, work.block, work.shared_bytes, [&] { std::apply(start, now); });
    });
    return;
  }
  sim::misjudge_sizes(name, values);
  sim::run(name, work.grid, work.block, work.shared_bytes, [&] { std::apply(kernel, values); });
#else
  cudaLaunchConfig_t config{};
  config.gridDim = work.grid;
  config.blockDim = work.block;
  config.dynamicSmemBytes = work.shared_bytes;
  config.stream = stream();
  std::tuple<Parameters...> values(static_cast<Parameters>(arguments)...);
  auto start = [&](auto&... each) {
    void* pointers[] = {static_cast<void*>(&each)..., nullptr};
    return detail::start(name, reinterpret_cast<const void*>(kernel), config, pointers);
  };
  detail::end_launch(name, work, std::apply(start, values));
#endif
}

}  // namespace graft::kernels::cuda
