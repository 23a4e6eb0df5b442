// Where a tensor lives.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace graft {

struct Device {
  enum class Type : uint8_t { cpu, cuda };
  Type type = Type::cpu;
  int index = 0;

  bool is_cuda() const { return type == Type::cuda; }
  friend bool operator==(const Device&, const Device&) = default;
};

constexpr Device kCpu{};

// "cpu", "cuda:0"
std::string to_text(Device device);

// Every device that this build can compute on, the CPU first. Tests and benchmarks loop over it.
std::vector<Device> devices();

// True in programs that are linked with the CUDA kernels: for a GPU, or compiled for the simulator.
bool has_cuda_backend();

}  // namespace graft
