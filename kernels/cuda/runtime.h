// What kernels may ask of the device in use: the one that dispatch chose for this thread.
#pragma once

#include <cstdint>

#include "kernels/cuda/cuda.h"

namespace graft::kernels::cuda {

// What a choice between kernels may depend on, besides shapes, types and alignment.
struct DeviceFacts {
  int capability = 0;  // 80 for compute capability 8.0; no more than GRAFT_CAPABILITY allows
  int multiprocessors = 0;
  int64_t shared_bytes = 0;  // the most dynamic shared memory of one block
};
DeviceFacts facts();
// The lesser of a device's capability and GRAFT_CAPABILITY.
int allowed_capability(int of_device);

// An error that only a kernel can see, such as a label out of range. The kernel cannot throw and nobody waits
// for it, so it leaves the values here, and `raise` throws at the next copy to the CPU or synchronize().
struct Fault {
  using Raise = void (*)(const int64_t (&values)[4]);  // a host function; device code only passes it on
  Raise raise;
  int64_t values[4];
};
// The slot of the device in use.
Fault* fault_slot();

// Keeps the first fault. At most one thread of a launch may report: which one must not be left to chance.
__device__ inline void report(Fault* slot, Fault::Raise raise, int64_t a, int64_t b = 0, int64_t c = 0,
                              int64_t d = 0) {
  if (slot->raise) return;
  slot->values[0] = a;
  slot->values[1] = b;
  slot->values[2] = c;
  slot->values[3] = d;
  __threadfence_system();  // the values before the mark that they are there
  slot->raise = raise;
}

#ifndef GRAFT_SIM
// All work of a device is on its one stream, but for what a side stream runs (side_stream.h).
cudaStream_t stream();
// Throws DeviceError, saying what was tried, for anything but success.
void check(cudaError_t status, const char* what);
#endif

}  // namespace graft::kernels::cuda
