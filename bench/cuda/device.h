// What the benchmarks ask of the device, real or simulated: what it is, and a clock on it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/device.h"

namespace graft::bench {

inline constexpr Device kDevice{Device::Type::cuda, 0};

// From now on this thread's kernels run on kDevice. Throws DeviceError where there is none.
void use_device();
// "13.0": what the driver can, and what the program was built with; empty in the simulator.
std::string driver_version();
std::string runtime_version();
// The stream (cudaStream_t) that all of graft's kernels are on; null in the simulator.
void* device_stream();

// Measures pieces of work on the device itself, by events; the pieces may be many before anybody waits. In
// the simulator it is the CPU's clock, and says nothing about speed.
class DeviceClock {
 public:
  DeviceClock();
  ~DeviceClock();
  // Writes over more memory than the device's cache holds, so that no contender finds its inputs there.
  void clear_cache();
  void start();
  void stop();
  // Of each start and stop since the last call; waits.
  std::vector<double> seconds();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace graft::bench
