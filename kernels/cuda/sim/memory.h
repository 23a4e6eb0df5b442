// The device memory that kernels may touch, byte for byte. The device runtime tells it here; a watched kernel
// (watch.h) that reaches beyond it is reported, and an AddressSanitizer build stops at the access.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace graft::sim {

void allow_memory(const void* p, size_t bytes);
void forbid_memory(const void* p);  // as it was given to allow_memory

// Memory of the host that kernels may touch while this lives: what a test has in a vector.
class AllowedMemory {
 public:
  AllowedMemory(const void* p, size_t bytes) : p_(p) { allow_memory(p, bytes); }
  ~AllowedMemory() { forbid_memory(p_); }
  AllowedMemory(const AllowedMemory&) = delete;
  AllowedMemory& operator=(const AllowedMemory&) = delete;

 private:
  const void* p_;
};

struct Allocation {
  uintptr_t begin = 0, end = 0;
};
// The allocation that holds the address, or an empty one.
Allocation find_allocation(uintptr_t address);
// "8 bytes after the end of an allocation of 256 bytes", for an address in none.
std::string describe_outside(uintptr_t address);

// Constants and variables of the program itself: what __constant__ and __device__ variables are here.
bool in_program(uintptr_t address);
// "softmax_rows<float>(...)+0x1c, graft_tests+0x40321": addr2line -e finds the line of the latter.
std::string describe_code(uintptr_t address);

}  // namespace graft::sim
