// SPDX-License-Identifier: MIT
// The asynchronous copies of one emulated thread.
#pragma once
#include <algorithm>
#include <deque>
#include <vector>

#include "tests/cuda_on_host/support/order.hpp"

namespace emulator {

/// A copy of `bytes` to a place of copy_bytes, whose rest becomes zero.
struct AsyncCopy {
  static constexpr int copy_bytes = 16;
  char* to;
  const char* from;
  int bytes;
  void perform() const { std::fill(std::copy_n(from, bytes, to), to + copy_bytes, char(0)); }
};

class CopyQueue {
 public:
  void add(const AsyncCopy& copy, Copies when) {
    if (when == Copies::eager) copy.perform();
    open_.push_back(copy);
  }
  void commit() {
    groups_.push_back(open_);
    open_.clear();
  }
  /// Finishes all but the last `left` groups.
  void wait(std::size_t left, Copies when) {
    for (; groups_.size() > left; groups_.pop_front())
      if (when == Copies::late)
        for (const AsyncCopy& copy : groups_.front()) copy.perform();
  }
  bool under_way() const {
    return !open_.empty() || std::any_of(groups_.begin(), groups_.end(), [](const auto& g) { return !g.empty(); });
  }

 private:
  std::vector<AsyncCopy> open_;
  std::deque<std::vector<AsyncCopy>> groups_;
};

}  // namespace emulator
