// SPDX-License-Identifier: MIT
// Ctrl-C asks the program to finish its step, save and leave; a second Ctrl-C ends it at once.
#pragma once
#include <atomic>
#include <csignal>

namespace example {

/// Installs the handler for as long as it lives.
class Interrupt {
 public:
  static constexpr int exit_code = 130;  // what shells report for Ctrl-C

  Interrupt() { std::signal(SIGINT, &Interrupt::handle); }
  ~Interrupt() { std::signal(SIGINT, SIG_DFL); }
  Interrupt(const Interrupt&) = delete;
  static bool requested() { return flag_ != 0; }

 private:
  static void handle(int) {
    flag_ = 1;
    std::signal(SIGINT, SIG_DFL);
  }
  static inline std::atomic<int> flag_ = 0;  // threads read it; a handler may write what takes no lock
  static_assert(std::atomic<int>::is_always_lock_free);
};

}  // namespace example
