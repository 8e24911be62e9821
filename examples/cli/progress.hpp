// SPDX-License-Identifier: MIT
// Progress on one line of a terminal, or where there is none in a plain line now and then: share, GB/s, time left.
#pragma once
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include <modelgrow/core/progress.hpp>

#include "../support/interrupt.hpp"
#include "tool.hpp"

namespace tool {

/// Seconds between two lines where there is no terminal.
inline constexpr double seconds_between_lines = 30;

inline modelgrow::Progress progress_of_bytes() {
  using Clock = std::chrono::steady_clock;
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  return [terminal, start = Clock::now(), said = 0.0](const modelgrow::ProgressReport& r) mutable {
    if (r.done <= 1) start = Clock::now(), said = 0;  // the next part
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double share = r.total_bytes ? double(r.bytes) / double(r.total_bytes) : 1;
    const double rate = seconds > 0 ? double(r.bytes) / 1e9 / seconds : 0,
                 left = share > 0 ? seconds * (1 / share - 1) : 0;
    if (terminal) {
      std::fprintf(stderr, "\r%3.0f %%  %.2f GB/s  %.0f s left  %-40.40s", 100 * share, rate, left, r.what.c_str());
      if (r.done == r.total) std::fputs("\r\033[K", stderr);
    } else if (seconds - said >= seconds_between_lines) {
      std::fprintf(stderr, "%3.0f %%  %.2f GB/s  %.0f s left  %s\n", 100 * share, rate, left, r.what.c_str());
      said = seconds;
    }
  };
}

/// Ends the work after Ctrl-C or SIGTERM. An example::Interrupt has to live.
inline modelgrow::Progress until_interrupted() {
  return [](const modelgrow::ProgressReport&) {
    if (example::Interrupt::requested()) throw Interrupted{};
  };
}

/// Shows it as well.
inline modelgrow::Progress progress_until_interrupted() {
  return [stop = until_interrupted(), show = progress_of_bytes()](const modelgrow::ProgressReport& r) {
    stop(r);
    show(r);
  };
}

}  // namespace tool
