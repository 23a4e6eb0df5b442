#include "kernels/cuda/sim/fiber.h"

#include "kernels/cuda/sim/sanitizers.h"

#ifndef GRAFT_SIM_UCONTEXT
// graft_sim_switch(void** from, void* to): what the System V ABI lets a callee destroy is dead at this call;
// the rest goes onto the stack, and the stack is exchanged.
asm(R"(
.text
.p2align 4
.hidden graft_sim_switch
.globl graft_sim_switch
.type graft_sim_switch, @function
graft_sim_switch:
  .cfi_startproc
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmp *%rcx
  .cfi_endproc
.size graft_sim_switch, . - graft_sim_switch
)");
extern "C" void graft_sim_switch(void** from, void* to);
#endif

namespace graft::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__)
// AddressSanitizer asks for the stack that was left; the host thread's is learnt at the first switch.
thread_local Fiber* previous;
thread_local Fiber* running;

void finish_switch(Fiber& now) {
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(now.asan_fake, &bottom, &bytes);
  if (previous && !previous->stack_bytes) {
    previous->stack = const_cast<char*>(static_cast<const char*>(bottom));
    previous->stack_bytes = bytes;
  }
}
#endif

}  // namespace

void prepare(Fiber& fiber, void (*entry)()) {
  unpoison(fiber.stack, fiber.stack_bytes);  // of the frames of a thread that never came to its end
  fiber.asan_fake = nullptr;
#ifdef GRAFT_SIM_UCONTEXT
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = fiber.stack_bytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
#else
  // As graft_sim_switch leaves a stack: six registers, the address to go on at; and above it, where a caller
  // would have put its return address, null: the end of a backtrace.
  void** top = reinterpret_cast<void**>(fiber.stack + fiber.stack_bytes) - 1;
  *top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
#endif
}

void switch_fiber(Fiber& from, Fiber& to) {
#if defined(__SANITIZE_ADDRESS__)
  previous = &from;
  running = &to;
  __sanitizer_start_switch_fiber(&from.asan_fake, to.stack, to.stack_bytes);
#endif
#ifdef GRAFT_SIM_TSAN
  __tsan_switch_to_fiber(to.tsan, 1);  // 1: switching orders nothing
#endif
#ifdef GRAFT_SIM_UCONTEXT
  swapcontext(&from.context, &to.context);
#else
  graft_sim_switch(&from.stack_pointer, to.stack_pointer);
#endif
#if defined(__SANITIZE_ADDRESS__)
  finish_switch(from);
#endif
}

void entered() {
#if defined(__SANITIZE_ADDRESS__)
  finish_switch(*running);
#endif
}

}  // namespace graft::sim
