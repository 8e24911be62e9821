// SPDX-License-Identifier: MIT
// Ctrl-C, and SIGTERM of a launcher or a scheduler, ask the program to finish its step, save and leave; a second Ctrl-C
// ends it at once.
#pragma once
#include <atomic>
#include <csignal>

namespace example {

/// Installs the handlers for as long as it lives.
class Interrupt {
 public:
  static constexpr int exit_code = 130;  // what shells report for Ctrl-C

  Interrupt() { set(&Interrupt::handle); }
  ~Interrupt() { set(SIG_DFL); }
  Interrupt(const Interrupt&) = delete;
  static bool requested() { return flag_ != 0; }

 private:
  static void set(void (*handler)(int)) {
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, handler);
  }
  static void handle(int signal) {
    flag_ = 1;
    if (signal == SIGINT) std::signal(SIGINT, SIG_DFL);
  }
  static inline std::atomic<int> flag_ = 0;  // threads read it; a handler may write what takes no lock
  static_assert(std::atomic<int>::is_always_lock_free);
};

}  // namespace example
