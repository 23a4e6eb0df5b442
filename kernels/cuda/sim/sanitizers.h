// The few entry points of AddressSanitizer and ThreadSanitizer that the simulator speaks to; without them,
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// GRAFT_SIM_TSAN: the program is linked with ThreadSanitizer, though the simulator's own files, which would
// look like one thread that reads what others write, are compiled without it.
#ifdef GRAFT_SIM_TSAN
extern "C" {
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void* __tsan_get_current_fiber();
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* tag);
void __tsan_release(void* tag);
void __tsan_read_range(void* p, unsigned long bytes);
void __tsan_write_range(void* p, unsigned long bytes);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace graft::sim {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
inline void poison(void* p, size_t bytes) {
  __asan_poison_memory_region(p, bytes);
}
inline void unpoison(void* p, size_t bytes) {
  __asan_unpoison_memory_region(p, bytes);
}
#else
inline constexpr bool kAddressSanitizer = false;
inline void poison(void*, size_t) {}
inline void unpoison(void*, size_t) {}
#endif

#ifdef GRAFT_SIM_TSAN
inline constexpr bool kThreadSanitizer = true;
inline void acquire(void* tag) {
  __tsan_acquire(tag);
}
inline void release(void* tag) {
  __tsan_release(tag);
}
// ThreadSanitizer sees memset and the like in files that are compiled without it, too.
struct UnseenWrites {
  UnseenWrites() { AnnotateIgnoreWritesBegin(__FILE__, __LINE__); }
  ~UnseenWrites() { AnnotateIgnoreWritesEnd(__FILE__, __LINE__); }
};
#else
inline constexpr bool kThreadSanitizer = false;
inline void acquire(void*) {}
inline void release(void*) {}
struct UnseenWrites {
  UnseenWrites() {}
};
#endif

}  // namespace graft::sim
