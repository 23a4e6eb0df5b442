// A fiber: a stack of its own and the place where it stopped. Switching is a few instructions on x86-64 and
// ucontext elsewhere.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#define GRAFT_SIM_UCONTEXT
#endif

namespace graft::sim {

struct Fiber {
  char* stack = nullptr;  // the lowest byte; null for the fiber of the host thread itself
  size_t stack_bytes = 0;
#ifdef GRAFT_SIM_UCONTEXT
  ucontext_t context;
#else
  void* stack_pointer = nullptr;
#endif
  void* tsan = nullptr;       // what ThreadSanitizer calls this fiber
  void* asan_fake = nullptr;  // what AddressSanitizer keeps of it while it waits
};

// The next switch to `fiber` calls entry(), on its stack from the top. entry must not return.
void prepare(Fiber& fiber, void (*entry)());
// Stops here and goes on in `to`; returns when somebody switches to `from`.
void switch_fiber(Fiber& from, Fiber& to);
// The first thing that entry() does.
void entered();

}  // namespace graft::sim
