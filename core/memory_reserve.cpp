#include "core/memory_reserve.h"

#include <atomic>
#include <cstring>

namespace graft {
namespace {

// Of the whole process, as the handler of operator new is.
std::atomic<void*> reserve{nullptr};
std::atomic<bool> is_spent{false};

// Called by operator new where there is no memory; it tries again when this returns.
void spend() {
  void* block = reserve.exchange(nullptr);
  if (!block) throw std::bad_alloc();
  is_spent = true;
  ::operator delete(block);
}

}  // namespace

MemoryReserve::MemoryReserve(size_t bytes) {
  void* block = ::operator new(bytes);
  std::memset(block, 1, bytes);  // pages that nobody has touched are only promised
  reserve = block;
  is_spent = false;
  before_ = std::set_new_handler(spend);
}

MemoryReserve::~MemoryReserve() {
  std::set_new_handler(before_);
  ::operator delete(reserve.exchange(nullptr));
  is_spent = false;
}

bool MemoryReserve::spent() {
  return is_spent.load(std::memory_order_relaxed);
}

}  // namespace graft
