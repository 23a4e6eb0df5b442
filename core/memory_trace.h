// How the memory of a device fills and empties while a piece of work goes on: what a memory plan is made of.
#pragma once

#include <vector>

#include "core/storage.h"

namespace graft {

// Watches the tensors that this thread makes on a device while it is alive; one at a time on a thread. What
// kernels take for themselves has no moment of its own, whatever thread they take it on: it is in `most`.
// Work of the same course at two sizes has as many moments, one for one. Resets the device's peak.
class MemoryTrace {
 public:
  struct Moment {
    int64_t held = 0;  // bytes in storages, once the tensor is made, more than when the trace began
    int64_t most = 0;  // the highest until the next moment, more than when the trace began
  };

  explicit MemoryTrace(Device device);
  ~MemoryTrace();
  MemoryTrace(const MemoryTrace&) = delete;
  MemoryTrace& operator=(const MemoryTrace&) = delete;

  // How many moments there were so far.
  size_t count() const { return moments_.size(); }
  // The moments so far, and what is held now as the last one.
  std::vector<Moment> moments();
  // Called by this thread around the making of a tensor.
  static void before_tensor(Device device);
  static void tensor_made(Device device);

 private:
  void close();
  Device device_;
  int64_t start_;
  std::vector<Moment> moments_;
};

}  // namespace graft
