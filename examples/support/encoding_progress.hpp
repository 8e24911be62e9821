// SPDX-License-Identifier: MIT
// Encoding captions takes a while: its progress on one line of a terminal, and Ctrl-C in the middle of it.
#pragma once
#include <unistd.h>

#include <chrono>
#include <iostream>

#include <modelgrow/core/progress.hpp>
#include <modelgrow/train/progress_line.hpp>

#include "interrupt.hpp"

namespace example {
namespace mg = modelgrow;

/// Thrown out of long work that Ctrl-C stopped; nothing is left half-written.
struct Stopped {};

/// Shows tokens, speed and time left where there is a terminal. Throws Stopped after Ctrl-C.
inline mg::Progress encoding_progress() {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  return [terminal, begin = std::chrono::steady_clock::now()](const mg::ProgressReport& p) {
    if (Interrupt::requested()) throw Stopped{};
    if (!terminal) return;
    const double speed =
        double(p.done) / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::cout << '\r' << p.done << '/' << p.total << " tokens  " << std::int64_t(speed) << " tokens/s  "
              << mg::clock_time(double(p.total - p.done) / speed) << " left   " << (p.done == p.total ? "\n" : "")
              << std::flush;
  };
}

}  // namespace example
