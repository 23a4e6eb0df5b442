// Bytes on a device, owned. Tensors share a Storage; the last one frees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/device.h"

namespace graft {

class BlockCache;

class Storage {
 public:
  // `bytes` uninitialised bytes, aligned to 64. Throws MemoryError, naming the size, when there is no memory,
  // and DeviceError where there is no such device.
  static std::shared_ptr<Storage> allocate(int64_t bytes, Device device);
  // The same on the CPU with all bits 0, where a large storage takes no memory before its bytes are read or
  // written: the system supplies such pages as zeros.
  static std::shared_ptr<Storage> allocate_zeros(int64_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  Storage(BlockCache& cache, int64_t bytes, Device device);
  BlockCache& cache_;  // where the bytes go back to
  int64_t bytes_;
  Device device_;
  void* data_;
};

// What all storages of a device hold together.
struct MemoryUse {
  int64_t current = 0;  // bytes in live storages
  int64_t peak = 0;     // the highest `current` since the start or the last reset
};
MemoryUse memory_use(Device device = kCpu);
void reset_peak_memory(Device device = kCpu);

// Gives the cached, unused blocks of all devices back to the system.
void release_cached_memory();

}  // namespace graft
