#include "core/storage.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "core/accelerator.h"
#include "core/block_cache.h"
#include "core/error.h"
#include "core/memory_reserve.h"
#include "core/step_pool.h"

namespace graft {
namespace {

class Heap : public BlockSource {
 public:
  void* take(int64_t bytes) override {
    return std::aligned_alloc(64, static_cast<size_t>((bytes + 63) / 64 * 64));
  }
  void give(void* block) override { std::free(block); }
  int64_t most_cached() const override { return int64_t{4} << 30; }
  std::string name() const override { return to_text(kCpu); }
};

// The caches are never destroyed: tensors of static lifetime may be freed after main has returned.
BlockCache& cpu_cache() {
  static BlockCache* cache = new BlockCache(*new Heap);
  return *cache;
}

struct DeviceCaches {
  std::mutex mutex;
  std::deque<BlockCache> by_index;  // grows at the end: references stay good
};

DeviceCaches& device_caches() {
  static DeviceCaches* caches = new DeviceCaches;
  return *caches;
}

BlockCache& cache_of(Device device) {
  if (!device.is_cuda()) return cpu_cache();
  Accelerator& owner = accelerator_of(device);
  DeviceCaches& caches = device_caches();
  std::lock_guard lock(caches.mutex);
  while (static_cast<int>(caches.by_index.size()) <= device.index) {
    caches.by_index.emplace_back(owner.memory(static_cast<int>(caches.by_index.size())));
  }
  return caches.by_index[static_cast<size_t>(device.index)];
}

}  // namespace

std::shared_ptr<Storage> Storage::allocate(int64_t bytes, Device device) {
  GRAFT_CHECK(bytes >= 0, "storage: negative size ", bytes);
  GRAFT_CHECK_AS(MemoryError, bytes <= (int64_t{1} << 46), "out of memory: could not get ",
                 bytes_text(static_cast<double>(bytes)));
  GRAFT_CHECK_AS(MemoryError, !MemoryReserve::spent(), "out of memory: could not get ",
                 bytes_text(static_cast<double>(bytes)), " on ", device, "; what is left is for the end");
  BlockCache* pool = device.is_cuda() ? StepPool::active(device) : nullptr;
  return std::shared_ptr<Storage>(new Storage(pool ? *pool : cache_of(device), bytes, device));
}

std::shared_ptr<Storage> Storage::allocate_zeros(int64_t bytes) {
  std::shared_ptr<Storage> storage = allocate(bytes, kCpu);
  auto* begin = static_cast<char*>(storage->data());
  char* end = begin + bytes;
#ifdef __linux__
  constexpr int64_t kWorthACall = 1 << 20;
  if (bytes >= kWorthACall) {
    // The block may have been used: its whole pages are given back, and read as zeros from now on.
    static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    char* first = begin + (page - reinterpret_cast<uintptr_t>(begin) % page) % page;
    char* last = end - reinterpret_cast<uintptr_t>(end) % page;
    if (::madvise(first, static_cast<size_t>(last - first), MADV_DONTNEED) == 0) {
      std::memset(begin, 0, static_cast<size_t>(first - begin));
      std::memset(last, 0, static_cast<size_t>(end - last));
      return storage;
    }
  }
#endif
  if (bytes > 0) std::memset(begin, 0, static_cast<size_t>(end - begin));
  return storage;
}

Storage::Storage(BlockCache& cache, int64_t bytes, Device device)
    : cache_(cache), bytes_(bytes), device_(device), data_(cache.take(bytes)) {}

Storage::~Storage() {
  if (device_.is_cuda() && StepPool::takes_back(cache_, data_, bytes_, device_)) return;
  cache_.give(data_, bytes_);
}

MemoryUse memory_use(Device device) {
  return cache_of(device).use();
}
void reset_peak_memory(Device device) {
  cache_of(device).reset_peak();
}
void release_cached_memory() {
  cpu_cache().release();
  DeviceCaches& caches = device_caches();
  std::lock_guard lock(caches.mutex);
  for (BlockCache& cache : caches.by_index) cache.release();
}

}  // namespace graft
