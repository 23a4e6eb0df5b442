// cp.async on the CPU. The copy is carried out when its thread waits for it and no earlier: a kernel that
// reads before that finds the old bytes on every run. A Watch knows the destination as being written from the
// start to the wait.
#include <cstring>

#include "core/error.h"
#include "kernels/cuda/sim/block.h"
#include "kernels/cuda/sim/ptx_twins.h"
#include "kernels/cuda/sim/recorder.h"
#include "kernels/cuda/sim/sabotage.h"
#include "kernels/cuda/sim/sanitizers.h"

namespace graft::sim {
namespace {

bool aligned(const void* p, int bytes) {
  return reinterpret_cast<uintptr_t>(p) % static_cast<unsigned>(bytes) == 0;
}

// AddressSanitizer stops here, where the copy is started, and not where it is waited for.
void touch_ends([[maybe_unused]] const void* p, [[maybe_unused]] int bytes) {
  if constexpr (kAddressSanitizer) {
    const volatile char* at = static_cast<const char*>(p);
    if (bytes > 0) static_cast<void>(at[0]), static_cast<void>(at[bytes - 1]);
  }
}

void land(const AsyncCopy& copy) {
  const size_t valid = static_cast<size_t>(copy.valid), bytes = static_cast<size_t>(copy.bytes);
#ifdef GRAFT_SIM_TSAN
  __tsan_read_range(const_cast<void*>(copy.global), valid);
  __tsan_write_range(copy.shared, bytes);
#endif
  note_access(copy.shared, bytes, Kind::landing, copy.code);
  UnseenWrites unseen;
  std::memcpy(copy.shared, copy.global, valid);
  std::memset(static_cast<char*>(copy.shared) + valid, 0, bytes - valid);
}

}  // namespace

void async_copy(void* shared, const void* global, int bytes, int valid) {
  Thread& me = require_thread("cp_async");
  const void* code = __builtin_return_address(0);
  if (!aligned(shared, bytes) || (valid > 0 && !aligned(global, bytes))) {
    me.block->fail_here(
        str("cp_async of ", bytes, " bytes between addresses that are not multiples of that"));
  }
  if (valid < 0 || valid > bytes)
    me.block->fail_here(str("cp_async: ", valid, " valid of ", bytes, " bytes"));
  if (!me.block->arena.contains(shared))
    me.block->fail_here("cp_async: the destination is not in shared memory");
  if (is_sabotaged(Mistake::lost_store, {me.block->launch->name, me.number})) return;
  touch_ends(shared, bytes);
  touch_ends(global, valid);
  if (valid > 0) note_access(global, static_cast<size_t>(valid), Kind::read, code);
  note_access(shared, static_cast<size_t>(bytes), Kind::async_write, code);
  UnseenWrites unseen;  // the list is the simulator's
  me.copies.push_back({shared, global, code, bytes, valid, me.copy_group});
}

void async_commit(Site site) {
  if (is_sabotaged(Mistake::no_commit, site)) return;
  ++require_thread("cp_async_commit").copy_group;
}

void async_wait(int pending, Site site) {
  Thread& me = require_thread("cp_async_wait");
  if (is_sabotaged(Mistake::no_wait, site)) return;
  size_t landed = 0;
  while (landed < me.copies.size() && me.copies[landed].group + pending < me.copy_group)
    land(me.copies[landed++]);
  UnseenWrites unseen;
  me.copies.erase(me.copies.begin(), me.copies.begin() + static_cast<std::ptrdiff_t>(landed));
}

}  // namespace graft::sim
