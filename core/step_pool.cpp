#include "core/step_pool.h"

#include <algorithm>
#include <limits>
#include <mutex>

#include "core/error.h"

namespace graft {
namespace {

// Where this thread's storages on a device come from; all null while no step is recorded.
struct Active {
  StepPool* pool = nullptr;
  BlockCache* cache = nullptr;
  Device device;
  bool recording = false;
};
thread_local Active active_here;

// Every pool that has a recording or a living tensor. Never destroyed: tensors may be freed after main.
struct Pools {
  std::mutex mutex;
  std::vector<std::shared_ptr<StepPool>> all;
  std::atomic<size_t> count{0};  // of all: spares a program without recorded steps the lock
};
Pools& pools() {
  static Pools* one = new Pools;
  return *one;
}

}  // namespace

std::shared_ptr<StepPool> StepPool::make(Device device) {
  std::shared_ptr<StepPool> pool(new StepPool(device));
  std::lock_guard lock(pools().mutex);
  pools().all.push_back(pool);
  pools().count = pools().all.size();
  return pool;
}

StepPool::~StepPool() {
  for (const Adopted& a : adopted_) a.cache->give(a.block, a.bytes);
}

void StepPool::retire() {
  {
    std::lock_guard lock(pools().mutex);
    retired_ = true;
  }
  leave_if_done();
}

void StepPool::leave_if_done() {
  std::shared_ptr<StepPool> gone;  // destroyed once the lock is released
  std::lock_guard lock(pools().mutex);
  if (!retired_ || lent_ > 0) return;
  auto here = std::find_if(pools().all.begin(), pools().all.end(), [&](auto& p) { return p.get() == this; });
  if (here == pools().all.end()) return;
  gone = std::move(*here);
  pools().all.erase(here);
  pools().count = pools().all.size();
}

bool StepPool::owns(const BlockCache& cache) const {
  return &cache == &cache_ ||
         std::any_of(parts_.begin(), parts_.end(), [&](const Part& p) { return &p.cache == &cache; });
}

BlockCache* StepPool::active(Device device) {
  return active_here.pool && active_here.device == device ? active_here.cache : nullptr;
}

bool StepPool::takes_back(BlockCache& cache, void* block, int64_t bytes, Device device) {
  if (pools().count == 0) return false;
  std::shared_ptr<StepPool> owner;
  {
    std::lock_guard lock(pools().mutex);
    auto here = std::find_if(pools().all.begin(), pools().all.end(), [&](auto& p) { return p->owns(cache); });
    if (here != pools().all.end()) owner = *here;
  }
  if (owner) {
    cache.give(block, bytes);
    owner->leave_if_done();
    return true;
  }
  const Active& now = active_here;
  if (!now.pool || !now.recording || !(now.device == device)) return false;
  now.pool->adopted_.push_back({&cache, block, bytes});
  return true;
}

StepPool::Use::Use(StepPool& pool) {
  active_here = {&pool, &pool.cache_, pool.device_, true};
}
StepPool::Use::Use(StepPool& pool, size_t part) {
  pool.parts_[part].next = 0;
  active_here = {&pool, &pool.parts_[part].cache, pool.device_, false};
}
StepPool::Use::~Use() {
  active_here = {};
}

void* StepPool::take(int64_t bytes) {
  Active here = active_here;
  active_here = {};  // the block itself is the device's
  try {
    blocks_.push_back(Storage::allocate(bytes, device_));
  } catch (const MemoryError&) {
    active_here = here;
    return nullptr;
  }
  active_here = here;
  return blocks_.back()->data();
}

void StepPool::lend(void* block, int64_t, int64_t reserved) {
  ++lent_;
  if (in_part_) parts_.back().loans.push_back({block, reserved});
}

void StepPool::take_back(void*, int64_t) {
  --lent_;
}

int64_t StepPool::most_cached() const {
  return std::numeric_limits<int64_t>::max();
}

void StepPool::begin_part(const char* name) {
  std::lock_guard lock(pools().mutex);
  parts_.emplace_back(*this, name);
  in_part_ = true;
}

size_t StepPool::end_part() {
  in_part_ = false;
  return parts_.size() - 1;
}

void* StepPool::Part::take(int64_t bytes) {
  GRAFT_CHECK_AS(DeviceError, next < loans.size() && loans[next].reserved == bytes, "step graph: ", part,
                 " allocates ", bytes, " bytes (rounded up) on ", pool.device_, " as its number ", next + 1,
                 "; when the step was recorded ",
                 next < loans.size() ? str("it was ", loans[next].reserved)
                                     : str("it allocated ", loans.size(), " times"),
                 ". Such a part must do the same work in every step");
  return loans[next++].block;
}

}  // namespace graft
