// SPDX-License-Identifier: MIT
// Segments trained by processes of this program, a few at a time, each after the one it begins with.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "cache.hpp"

namespace growth {

/// A segment to train; `after` is the key of its parent, empty for none.
struct Job {
  std::string key = {}, after = {}, label = {};
  double flops = 0;
};

/// What became of the jobs.
struct JobsReport {
  std::size_t finished = 0, failed = 0, left = 0;
  bool interrupted = false;
};

/// The command line of the process of a key; the first word is the program.
using CommandOf = std::function<std::vector<std::string>(const std::string& key)>;

struct Processes {
  int count = 1;    // at a time
  int threads = 1;  // of each
};

/// Trains what is not done; prints a line for each job that ends, with the time left. Outputs go to output.txt of the
/// segment; the end of that of a failed one is printed, and what needs it is left out.
JobsReport run_jobs(const std::vector<Job>& jobs, Processes processes, const Cache& cache, const CommandOf& command);

/// Waits until no other process trains this key, and keeps others waiting for as long as it lives.
class SegmentLock {
 public:
  /// Throws io_error.
  SegmentLock(const Cache& cache, const std::string& key);
  ~SegmentLock();
  SegmentLock(const SegmentLock&) = delete;

 private:
  int file_;
};

}  // namespace growth
