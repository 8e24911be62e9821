// SPDX-License-Identifier: MIT
// Tasks on several threads that hand something on from each to the next.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <utility>

namespace modelgrow::inline v0 {

/// Turns in the order of the tasks of parallel_tasks, which are begun in that order. Where one fails, whoever waits for
/// its turn gets the same exception.
class InOrder {
 public:
  /// Calls f() once every task before this one had its turn. Throws what f or a task before throws.
  template <class F>
  void turn(std::int64_t task, F&& f) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return next_ == task || failure_; });
    if (failure_) std::rethrow_exception(failure_);
    f();
    ++next_;
    changed_.notify_all();
  }

  /// Does all of a task, whose turn is within.
  template <class F>
  void guard(F&& work) try {
    work();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    changed_.notify_all();
    throw;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t next_ = 0;
  std::exception_ptr failure_;
};

}  // namespace modelgrow::inline v0
