// What kernels/cuda/ptx.cuh does on the CPU; the contracts stand there. Called by simulated threads.
#pragma once

#include <cstdint>

#include "kernels/cuda/sim/simulator.h"

namespace graft::sim {

void async_copy(void* shared, const void* global, int bytes, int valid);
void async_commit(Site site);
void async_wait(int pending, Site site);

void load_matrices(uint32_t* out, int count, const void* row, bool transposed, Site site);

enum class Half : uint8_t { bf16, f16 };
void multiply_m16n8k16(float* c, const uint32_t* a, const uint32_t* b, Half type);
void multiply_m16n8k8_tf32(float* c, const uint32_t* a, const uint32_t* b);
uint32_t to_tf32(float value);

}  // namespace graft::sim
