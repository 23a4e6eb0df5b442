// What -fsanitize=thread makes the compiler call before each memory access of a .cu file. ThreadSanitizer's
// own library is not linked; these are a load and a branch when nobody watches.
//
// The names and signatures are the compiler's interface (gcc/sanitizer.def, LLVM's tsan_interface.h). The
// atomics must do the work themselves: inline functions of the C++ library, such as a shared_ptr's count, end
// up here.
#if defined(GRAFT_SIM_WATCH)

#include <atomic>
#include <cstdint>

#include "kernels/cuda/sim/recorder.h"

using graft::sim::Kind;
using graft::sim::note_access;

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

#define GRAFT_HOOK(name, bytes, kind)                               \
  void name(void* p) {                                              \
    note_access(p, bytes, Kind::kind, __builtin_return_address(0)); \
  }
#define GRAFT_HOOKS(bytes)                              \
  GRAFT_HOOK(__tsan_read##bytes, bytes, read)           \
  GRAFT_HOOK(__tsan_write##bytes, bytes, write)         \
  GRAFT_HOOK(__tsan_unaligned_read##bytes, bytes, read) \
  GRAFT_HOOK(__tsan_unaligned_write##bytes, bytes, write)
GRAFT_HOOKS(1)
GRAFT_HOOKS(2)
GRAFT_HOOKS(4)
GRAFT_HOOKS(8)
GRAFT_HOOKS(16)

void __tsan_read_range(void* p, unsigned long bytes) {
  note_access(p, bytes, Kind::read, __builtin_return_address(0));
}
void __tsan_write_range(void* p, unsigned long bytes) {
  note_access(p, bytes, Kind::write, __builtin_return_address(0));
}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

void __tsan_atomic_thread_fence(int) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
void __tsan_atomic_signal_fence(int) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Sequentially consistent whatever was asked for: no weaker order would be seen.
#define GRAFT_ATOMIC_HOOKS(bits)                                                                            \
  using A##bits = uint##bits##_t;                                                                           \
  A##bits __tsan_atomic##bits##_load(const volatile A##bits* p, int) {                                      \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                            \
  }                                                                                                         \
  void __tsan_atomic##bits##_store(volatile A##bits* p, A##bits v, int) {                                   \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                               \
  }                                                                                                         \
  A##bits __tsan_atomic##bits##_exchange(volatile A##bits* p, A##bits v, int) {                             \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                     \
  }                                                                                                         \
  A##bits __tsan_atomic##bits##_fetch_add(volatile A##bits* p, A##bits v, int) {                            \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  A##bits __tsan_atomic##bits##_fetch_sub(volatile A##bits* p, A##bits v, int) {                            \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  A##bits __tsan_atomic##bits##_fetch_and(volatile A##bits* p, A##bits v, int) {                            \
    return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  A##bits __tsan_atomic##bits##_fetch_or(volatile A##bits* p, A##bits v, int) {                             \
    return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                                       \
  }                                                                                                         \
  A##bits __tsan_atomic##bits##_fetch_xor(volatile A##bits* p, A##bits v, int) {                            \
    return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  A##bits __tsan_atomic##bits##_fetch_nand(volatile A##bits* p, A##bits v, int) {                           \
    return __atomic_fetch_nand(p, v, __ATOMIC_SEQ_CST);                                                     \
  }                                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile A##bits* p, A##bits* expected, A##bits v, int, \
                                                    int) {                                                  \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);          \
  }                                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile A##bits* p, A##bits* expected, A##bits v, int,   \
                                                  int) {                                                    \
    return __atomic_compare_exchange_n(p, expected, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);           \
  }                                                                                                         \
  A##bits __tsan_atomic##bits##_compare_exchange_val(volatile A##bits* p, A##bits expected, A##bits v, int, \
                                                     int) {                                                 \
    __atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                \
    return expected;                                                                                        \
  }
GRAFT_ATOMIC_HOOKS(8)
GRAFT_ATOMIC_HOOKS(16)
GRAFT_ATOMIC_HOOKS(32)
GRAFT_ATOMIC_HOOKS(64)

}  // extern "C"

#endif
