// SPDX-License-Identifier: MIT
// A stack for a fiber, below which nobody may touch memory: what needs more stops there, and is named, instead of
// writing over what belongs to others.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace emulator {

class Stack {
 public:
  static constexpr std::size_t bytes = 64 << 10;  // kernels of this room touch two pages of it at -O1

  /// None.
  Stack() = default;
  static Stack make() {
    Stack s;
    static thread_local std::size_t made = 0;
    s.offset_ = made++ % offsets * 64;
    void* p = mmap(nullptr, guard + mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    s.memory_ = static_cast<char*>(p);
    if (mprotect(s.bottom(), mapped, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    return s;
  }
  Stack(Stack&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)), offset_(other.offset_) {}
  Stack& operator=(Stack&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(offset_, other.offset_);
    return *this;
  }
  ~Stack() {
    if (!memory_) return;
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(bottom(), mapped);
#endif
    munmap(memory_, guard + mapped);
  }
  explicit operator bool() const { return memory_ != nullptr; }
  char* bottom() const { return memory_ + guard; }
  std::size_t size() const { return bytes + offset_; }
  char* top() const { return bottom() + size(); }
  /// Whether an address is where only a fiber comes that needs more than this stack.
  bool guards(const void* address) const { return memory_ <= address && address < bottom(); }

 private:
  static constexpr std::size_t guard = 64 << 10;  // pages of any size, and larger than the frame of any function
  static constexpr std::size_t offsets = 128;     // so that stacks do not all need the same lines of the caches
  static constexpr std::size_t mapped = bytes + offsets * 64;
  char* memory_ = nullptr;
  std::size_t offset_ = 0;
};

/// While one lives, a segmentation fault of this thread first says on standard error what `said` makes of its address,
/// if anything, and then goes where it went before. Needs an alternate stack for signals, which Catch2 has.
class FaultsSaid {
 public:
  explicit FaultsSaid(const char* (*said)(const void* address)) {
    said_ = said;
    struct sigaction action = {};
    action.sa_sigaction = &FaultsSaid::say;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &before_);
  }
  ~FaultsSaid() { sigaction(SIGSEGV, &before_, nullptr); }
  FaultsSaid(FaultsSaid&&) = delete;

 private:
  static void say(int, siginfo_t* info, void*) {
    if (const char* text = said_(info->si_addr)) (void)!::write(STDERR_FILENO, text, std::strlen(text));
    sigaction(SIGSEGV, &before_, nullptr);  // the instruction is tried again
  }
  static inline thread_local const char* (*said_)(const void*) = nullptr;
  static inline thread_local struct sigaction before_ = {};
};

}  // namespace emulator
