// What kernels/cuda/ptx_sm90.cuh does on the CPU; the contracts stand there. Called by simulated threads.
#pragma once

#include <cstdint>

#include "kernels/cuda/sim/simulator.h"
#include "kernels/cuda/tensor_map.h"

namespace graft::sim {

void mbarrier_init(uint64_t* barrier, unsigned arrivals);
void mbarrier_arrive(uint64_t* barrier, unsigned expected_bytes, Site site);
void mbarrier_wait(uint64_t* barrier, unsigned parity, Site site);
void fence_proxy_async(Site site);
void tma_load(void* shared, const kernels::cuda::TensorMap& map, int x, int y, int z, uint64_t* barrier);
void named_barrier(int id, int threads, Site site);

}  // namespace graft::sim
