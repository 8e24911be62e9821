// SPDX-License-Identifier: MIT
// Ctrl-C, and a termination from outside, ask a process to save and leave; a second Ctrl-C ends it at once.
#pragma once
#include <csignal>

namespace growth {

/// Installs the handlers for as long as it lives.
class StopSignal {
 public:
  static constexpr int exit_code = 130;  // what shells report for Ctrl-C

  StopSignal() { set(&StopSignal::handle); }
  ~StopSignal() { set(SIG_DFL); }
  StopSignal(const StopSignal&) = delete;
  static bool requested() { return requested_ != 0; }

 private:
  static void set(void (*handler)(int)) {
    struct sigaction action = {};
    action.sa_handler = handler;
    for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
  }
  static void handle(int signal) {
    requested_ = 1;
    if (signal == SIGINT) std::signal(SIGINT, SIG_DFL);
  }
  static inline volatile std::sig_atomic_t requested_ = 0;
};

}  // namespace growth
