#include "core/pages.h"

#ifdef __linux__
#include <sys/mman.h>

#include <cstdint>
#endif

namespace graft {

void prefer_large_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#ifdef __linux__
  constexpr uintptr_t kLarge = 2 << 20;
  size_t skipped = (kLarge - reinterpret_cast<uintptr_t>(data) % kLarge) % kLarge;
  if (bytes < skipped + kLarge) return;
  ::madvise(static_cast<char*>(data) + skipped, (bytes - skipped) / kLarge * kLarge, MADV_HUGEPAGE);
#endif
}

}  // namespace graft
