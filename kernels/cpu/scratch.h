// Working memory of a kernel, from the CPU's caching allocator, uninitialised.
#pragma once

#include "core/storage.h"

namespace graft::kernels::cpu {

template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t count)
      : storage_(Storage::allocate(count * static_cast<int64_t>(sizeof(T)), kCpu)) {}
  T* get() const { return static_cast<T*>(storage_->data()); }

 private:
  std::shared_ptr<Storage> storage_;
};

}  // namespace graft::kernels::cpu
