// What kernels/cuda/ptx_wgmma.cuh does on the CPU; the contracts stand there. Called by simulated threads.
#pragma once

#include <cstdint>

#include "kernels/cuda/sim/simulator.h"

namespace graft::sim {

// One wgmma but for the sums: the operands' descriptors, the columns, whether an operand lies across the
// depth.
struct Product {
  uint64_t a, b;
  int cols;
  bool across_a, across_b, add;
  friend bool operator==(const Product&, const Product&) = default;
};

// An address as instructions know it: 18 bits, from the beginning of the block's shared memory.
unsigned shared_address(const void* p);
void wgmma_fence(float* sums, int count, Site site);
void wgmma(float* sums, const Product& product);
void wgmma_commit(Site site);
void wgmma_wait(int pending, Site site);

}  // namespace graft::sim
