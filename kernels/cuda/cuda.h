// What every .cu file includes first. nvcc brings the CUDA headers; in a simulator build (GRAFT_SIM) the same
// names come from kernels/cuda/sim/, and the host compiler compiles the same source for the CPU.
#pragma once

#ifdef GRAFT_SIM
#include "kernels/cuda/sim/cuda_api.h"
#define GRAFT_UNROLL
#define GRAFT_AND_SITE , GRAFT_SITE
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
// Before a loop over an array that must stay in registers.
#define GRAFT_UNROLL _Pragma("unroll")
// The simulator knows which line of a kernel an instruction stands in (kernels/cuda/sim/sabotage.h).
#define GRAFT_SITE
#define GRAFT_AND_SITE
#endif

#include "kernels/cuda/shared.h"
