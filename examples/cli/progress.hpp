// SPDX-License-Identifier: MIT
// Progress on one line of a terminal: share, GB/s, time left. Nothing where nobody watches.
#pragma once
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include <modelgrow/core/progress.hpp>

#include "../support/interrupt.hpp"
#include "tool.hpp"

namespace tool {

inline modelgrow::Progress progress_on_terminal() {
  using Clock = std::chrono::steady_clock;
  if (!::isatty(STDERR_FILENO)) return {};
  return [start = Clock::now()](const modelgrow::ProgressReport& r) mutable {
    if (r.done <= 1) start = Clock::now();  // the next file
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double share = r.total_bytes ? double(r.bytes) / double(r.total_bytes) : 1;
    std::fprintf(stderr, "\r%3.0f %%  %.2f GB/s  %.0f s left  %-40.40s", 100 * share,
                 seconds > 0 ? double(r.bytes) / 1e9 / seconds : 0, share > 0 ? seconds * (1 / share - 1) : 0,
                 r.what.c_str());
    if (r.done == r.total) std::fputs("\r\033[K", stderr);
  };
}

/// The same, and ends the work when Ctrl-C was pressed: what was begun is removed. An example::Interrupt has to live.
inline modelgrow::Progress progress_until_interrupted() {
  return [show = progress_on_terminal()](const modelgrow::ProgressReport& r) {
    if (example::Interrupt::requested()) throw Interrupted{};
    if (show) show(r);
  };
}

}  // namespace tool
