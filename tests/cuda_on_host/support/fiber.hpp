// SPDX-License-Identifier: MIT
// Stacks to switch between: 16 instructions on x86-64, ucontext elsewhere (30 times slower, still usable).
#pragma once
#include <cstddef>

#include "tests/cuda_on_host/support/stack.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Saves the callee-saved registers on the current stack, stores the stack pointer in *from and resumes the stack `to`.
extern "C" void modelgrow_switch_stack(void** from, void* to);
asm(R"(
.text
.weak modelgrow_switch_stack
modelgrow_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#else
#include <ucontext.h>
#endif

namespace emulator {

/// An execution that can be left and resumed: a fiber with a stack of its own, or (default) the thread it started on.
class Fiber {
 public:
  Fiber() = default;
  Fiber(Fiber&&) = default;

  static Fiber with_stack() {
    Fiber f;
    f.own_ = Stack::make();
    f.stack_ = f.own_.bottom();
    f.bytes_ = f.own_.size();
    return f;
  }
  /// Makes the next switch to this fiber call entry(), which must never return.
  void restart(void (*entry)()) {
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(own_.bottom(), own_.size());
#endif
#if defined(__x86_64__)
    void** top = reinterpret_cast<void**>(own_.top());
    *--top = nullptr;  // the stack pointer is 8 off a multiple of 16 on entry, as after a call
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    context_ = top;
#else
    getcontext(&context_);
    context_.uc_stack.ss_sp = own_.bottom();
    context_.uc_stack.ss_size = own_.size();
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
#endif
  }
  /// Leaves this fiber, which must be the running one, for another.
  void switch_to(Fiber& other) {
#if defined(__SANITIZE_ADDRESS__)
    void* fake;
    __sanitizer_start_switch_fiber(&fake, other.stack_, other.bytes_);
#endif
#if defined(__x86_64__)
    modelgrow_switch_stack(&context_, other.context_);
#else
    swapcontext(&context_, &other.context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
  }
  /// To be called first by the entry of a fiber; `from` is the one that switched to it.
  static void entered([[maybe_unused]] Fiber& from) {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom;
    std::size_t size;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    if (!from.own_) {  // the thread's own stack is learnt when it is left
      from.stack_ = bottom;
      from.bytes_ = size;
    }
#endif
  }

  /// Whether an address is below its stack, where it comes when that is too small.
  bool overflowed_at(const void* address) const { return own_ && own_.guards(address); }

 private:
  Stack own_;
  const void* stack_ = nullptr;
  std::size_t bytes_ = 0;
#if defined(__x86_64__)
  void* context_ = nullptr;
#else
  ucontext_t context_;
#endif
};

}  // namespace emulator
