#include "core/memory_trace.h"

#include <algorithm>

#include "core/error.h"

namespace graft {
namespace {

thread_local MemoryTrace* active = nullptr;

}  // namespace

MemoryTrace::MemoryTrace(Device device) : device_(device), start_(memory_use(device).current) {
  GRAFT_CHECK(!active, "memory trace: this thread has one already");
  moments_.push_back({});
  reset_peak_memory(device);
  active = this;
}

MemoryTrace::~MemoryTrace() {
  active = nullptr;
}

void MemoryTrace::close() {
  MemoryUse use = memory_use(device_);
  moments_.back().most = std::max(moments_.back().most, use.peak - start_);
}

std::vector<MemoryTrace::Moment> MemoryTrace::moments() {
  close();
  std::vector<Moment> out = moments_;
  int64_t now = memory_use(device_).current - start_;
  out.push_back({now, now});
  return out;
}

void MemoryTrace::before_tensor(Device device) {
  if (active && active->device_ == device) active->close();
}

void MemoryTrace::tensor_made(Device device) {
  if (!active || !(active->device_ == device)) return;
  int64_t held = memory_use(device).current - active->start_;
  active->moments_.push_back({held, held});
  reset_peak_memory(device);
}

}  // namespace graft
