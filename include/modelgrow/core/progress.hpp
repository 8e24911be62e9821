// SPDX-License-Identifier: MIT
// Progress of long work is reported to a callback; the library itself never prints.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace modelgrow::inline v0 {

/// One report: what is going on, and how much of it is done.
struct ProgressReport {
  std::string what;
  std::int64_t done = 0, total = 0;
  std::uint64_t bytes = 0, total_bytes = 0;  // where the work is measured in bytes
};
/// Receives progress; an empty function means nobody watches.
using Progress = std::function<void(const ProgressReport&)>;

}  // namespace modelgrow::inline v0
