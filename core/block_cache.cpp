#include "core/block_cache.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <new>

#include "core/error.h"

namespace graft {
namespace {

std::atomic<int64_t> requests_until_refusal{-1};

bool is_refused() {
  // Mostly one look at a number that nobody changes.
  return requests_until_refusal.load(std::memory_order_relaxed) >= 0 &&
         requests_until_refusal.fetch_sub(1) == 0;
}

}  // namespace

void refuse_request(int64_t number) {
  requests_until_refusal = number;
}

int64_t size_class(int64_t bytes) {
  if (bytes <= 64) return 64;
  int64_t step =
      std::max<int64_t>(64, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes))) / 16);
  return (bytes + step - 1) / step * step;
}

void* BlockCache::take(int64_t bytes) {
  int64_t reserved = size_class(bytes);
  bool refused = is_refused();
  {
    std::lock_guard lock(mutex_);
    use_.current += bytes;
    use_.peak = std::max(use_.peak, use_.current);
    auto found = free_.find(reserved);
    if (!refused && found != free_.end() && !found->second.empty()) {
      void* block = found->second.back();
      found->second.pop_back();
      cached_ -= reserved;
      source_.lend(block, bytes, reserved);
      return block;
    }
  }
  void* block = refused ? nullptr : new_block(reserved);
  if (!block) {
    std::lock_guard lock(mutex_);
    use_.current -= bytes;
    fail<MemoryError>("out of memory: could not get ", bytes_text(static_cast<double>(bytes)), " on ",
                      source_.name(), " (", bytes_text(static_cast<double>(use_.current)), " in use)");
  }
  source_.lend(block, bytes, reserved);
  return block;
}

// Null where there is none even without what is cached.
void* BlockCache::new_block(int64_t reserved) {
  void* block = source_.take(reserved);
  if (block) return block;
  release();
  return source_.take(reserved);
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
  try {
    free_[reserved].push_back(block);
  } catch (const std::bad_alloc&) {  // called where storages end, which must not throw
    source_.give(block);
    return;
  }
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
