// SPDX-License-Identifier: MIT
// A disk that fails when a test wants it to: whoever links faults.cpp writes and reads through it.
#pragma once
#include <atomic>
#include <cerrno>
#include <cstdint>

namespace modelgrow::testing {

/// Calls are counted from 0 for as long as this lives; one of them, and all behind it, fail.
class Faults {
 public:
  static constexpr std::int64_t never = INT64_MAX;
  struct Failing {
    std::int64_t write = never;  // with this call of pwrite..
    int code = ENOSPC;           // ..for this reason; 0: it writes half of what it should
    std::int64_t read = never;   // with this call that reads mapped pages
  };
  explicit Faults(Failing failing) : failing_(failing) { active_ = this; }
  ~Faults() { active_ = nullptr; }
  Faults(const Faults&) = delete;

  std::int64_t writes() const { return writes_; }
  std::int64_t reads() const { return reads_; }

  static Faults* active() { return active_; }
  bool write_fails() { return writes_++ >= failing_.write; }
  bool read_fails() { return reads_++ >= failing_.read; }
  int code() const { return failing_.code; }

 private:
  static inline std::atomic<Faults*> active_ = nullptr;
  Failing failing_;
  std::atomic<std::int64_t> writes_ = 0, reads_ = 0;
};

}  // namespace modelgrow::testing
