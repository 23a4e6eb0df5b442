#include "core/block_cache.h"

#include <algorithm>
#include <bit>

#include "core/error.h"

namespace graft {

int64_t size_class(int64_t bytes) {
  if (bytes <= 64) return 64;
  int64_t step =
      std::max<int64_t>(64, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes))) / 16);
  return (bytes + step - 1) / step * step;
}

void* BlockCache::take(int64_t bytes) {
  int64_t reserved = size_class(bytes);
  {
    std::lock_guard lock(mutex_);
    use_.current += bytes;
    use_.peak = std::max(use_.peak, use_.current);
    auto found = free_.find(reserved);
    if (found != free_.end() && !found->second.empty()) {
      void* block = found->second.back();
      found->second.pop_back();
      cached_ -= reserved;
      source_.lend(block, bytes, reserved);
      return block;
    }
  }
  void* block = source_.take(reserved);
  if (!block) {
    release();
    block = source_.take(reserved);
  }
  if (!block) {
    std::lock_guard lock(mutex_);
    use_.current -= bytes;
    fail<MemoryError>("out of memory: could not get ", bytes_text(static_cast<double>(bytes)), " on ",
                      source_.name(), " (", bytes_text(static_cast<double>(use_.current)), " in use)");
  }
  source_.lend(block, bytes, reserved);
  return block;
}

void BlockCache::give(void* block, int64_t bytes) {
  int64_t reserved = size_class(bytes);
  source_.take_back(block, reserved);
  std::lock_guard lock(mutex_);
  use_.current -= bytes;
  if (cached_ + reserved > source_.most_cached()) {
    source_.give(block);
    return;
  }
  free_[reserved].push_back(block);
  cached_ += reserved;
}

void BlockCache::release() {
  std::lock_guard lock(mutex_);
  for (auto& [size, blocks] : free_) {
    for (void* block : blocks) source_.give(block);
  }
  free_.clear();
  cached_ = 0;
}

MemoryUse BlockCache::use() {
  std::lock_guard lock(mutex_);
  return use_;
}

void BlockCache::reset_peak() {
  std::lock_guard lock(mutex_);
  use_.peak = use_.current;
}

}  // namespace graft
