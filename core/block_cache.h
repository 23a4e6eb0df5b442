// The caching allocator that all devices share: size classes, and blocks that are handed out again instead of
// given back. Where blocks come from is a BlockSource: the system's heap or a device's memory.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/storage.h"

namespace graft {

class BlockSource {
 public:
  virtual ~BlockSource() = default;
  // `bytes` aligned to 64 or more; null where there is no memory.
  virtual void* take(int64_t bytes) = 0;
  virtual void give(void* block) = 0;
  // A block, of `reserved` bytes, begins and ends to be somebody's, who may touch `bytes` of it.
  virtual void lend([[maybe_unused]] void* block, [[maybe_unused]] int64_t bytes,
                    [[maybe_unused]] int64_t reserved) {}
  virtual void take_back([[maybe_unused]] void* block, [[maybe_unused]] int64_t reserved) {}
  // Unused bytes that may be kept for later.
  virtual int64_t most_cached() const = 0;
  // For messages: "cpu", "cuda:0".
  virtual std::string name() const = 0;
};

// A size class: 16 steps to a power of two, at least 64 bytes. At most 1/16 of a block is waste, and a
// training loop that allocates the same shapes every step is served from the cache without asking the system.
int64_t size_class(int64_t bytes);

// For tests of what happens when memory runs out: of the requests to all caches from now on, the one with
// this number, counted from 0, is refused as if there was none left. Negative: none is.
void refuse_request(int64_t number);

class BlockCache {
 public:
  explicit BlockCache(BlockSource& source) : source_(source) {}

  // A block of size_class(bytes). Where the source has none, the cached blocks are given back and the source
  // is asked again; then MemoryError, naming the device, what was asked for and what is in use.
  void* take(int64_t bytes);
  void give(void* block, int64_t bytes);
  // Gives the cached blocks back to the source.
  void release();

  MemoryUse use();
  void reset_peak();

 private:
  void* new_block(int64_t reserved);
  BlockSource& source_;
  std::mutex mutex_;
  std::map<int64_t, std::vector<void*>> free_;  // by size class
  int64_t cached_ = 0;
  MemoryUse use_;
};

}  // namespace graft
