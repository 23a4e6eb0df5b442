#include "core/storage.h"

#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "core/error.h"

namespace graft {
namespace {

// Size classes: 16 steps to a power of two, at least 64 bytes. At most 1/16 of a block is waste, and a
// training loop that allocates the same shapes every step is served from the cache without asking the system.
int64_t size_class(int64_t bytes) {
  if (bytes <= 64) return 64;
  int64_t step =
      std::max<int64_t>(64, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes))) / 16);
  return (bytes + step - 1) / step * step;
}

class CpuCache {
 public:
  void* take(int64_t bytes, int64_t reserved) {
    {
      std::lock_guard lock(mutex_);
      use_.current += bytes;
      use_.peak = std::max(use_.peak, use_.current);
      auto found = free_.find(reserved);
      if (found != free_.end() && !found->second.empty()) {
        void* block = found->second.back();
        found->second.pop_back();
        cached_ -= reserved;
        return block;
      }
    }
    void* block = system_block(reserved);
    if (!block) {
      release();
      block = system_block(reserved);
    }
    if (!block) {
      std::lock_guard lock(mutex_);
      use_.current -= bytes;
      fail<MemoryError>("out of memory: could not get ", bytes_text(static_cast<double>(bytes)), " (",
                        bytes_text(static_cast<double>(use_.current)), " in use)");
    }
    return block;
  }

  void give(void* block, int64_t bytes, int64_t reserved) {
    std::lock_guard lock(mutex_);
    use_.current -= bytes;
    if (cached_ + reserved > kMostCached) {
      std::free(block);
      return;
    }
    free_[reserved].push_back(block);
    cached_ += reserved;
  }

  void release() {
    std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : free_) {
      for (void* block : blocks) std::free(block);
    }
    free_.clear();
    cached_ = 0;
  }

  MemoryUse use() {
    std::lock_guard lock(mutex_);
    return use_;
  }

  void reset_peak() {
    std::lock_guard lock(mutex_);
    use_.peak = use_.current;
  }

 private:
  static constexpr int64_t kMostCached = int64_t{4} << 30;

  static void* system_block(int64_t bytes) {
    return std::aligned_alloc(64, static_cast<size_t>((bytes + 63) / 64 * 64));
  }

  std::mutex mutex_;
  std::map<int64_t, std::vector<void*>> free_;
  int64_t cached_ = 0;
  MemoryUse use_;
};

// Never destroyed: tensors of static lifetime may be freed after main has returned.
CpuCache& cpu_cache() {
  static CpuCache* cache = new CpuCache;
  return *cache;
}

}  // namespace

std::shared_ptr<Storage> Storage::allocate(int64_t bytes, Device device) {
  GRAFT_CHECK(bytes >= 0, "storage: negative size ", bytes);
  GRAFT_CHECK_AS(DeviceError, !device.is_cuda(), "storage: this build has no CUDA backend");
  GRAFT_CHECK_AS(MemoryError, bytes <= (int64_t{1} << 46), "out of memory: could not get ",
                 bytes_text(static_cast<double>(bytes)));
  int64_t reserved = size_class(bytes);
  void* data = cpu_cache().take(bytes, reserved);
  return std::shared_ptr<Storage>(new Storage(data, bytes, reserved, device));
}

Storage::~Storage() {
  cpu_cache().give(data_, bytes_, reserved_);
}

MemoryUse memory_use(Device) {
  return cpu_cache().use();
}
void reset_peak_memory(Device) {
  cpu_cache().reset_peak();
}
void release_cached_memory() {
  cpu_cache().release();
}

}  // namespace graft
