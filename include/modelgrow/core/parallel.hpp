// SPDX-License-Identifier: MIT
// The one way to use several cores: OpenMP over fixed chunks, so that results do not depend on the number of threads.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>

#include <modelgrow/core/denormals.hpp>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace modelgrow::inline v0 {

/// Calls f(begin, end) for chunks of `grain` indices of [0, n), in parallel, all in the FloatMode of the caller. f must
/// not throw.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  const std::int64_t chunks = (n + grain - 1) / grain;
  if (chunks <= 1) {
    if (n > 0) f(std::int64_t{0}, n);
    return;
  }
  [[maybe_unused]] const FloatMode of_caller = FloatMode::of_thread();
#pragma omp parallel
  {
    const InFloatMode mode(of_caller);
#pragma omp for schedule(dynamic, 1) nowait
    for (std::int64_t c = 0; c < chunks; ++c) f(c * grain, std::min(n, (c + 1) * grain));
  }
}

/// Threads that parallel_for uses.
inline int parallel_threads() {
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return 1;
#endif
}

/// Workers that `make_worker()` makes, one a thread, each called until it returns false. The first exception ends the
/// work and is thrown.
template <class MakeWorker>
void parallel_workers([[maybe_unused]] int threads, MakeWorker&& make_worker) {
  std::exception_ptr failure;
  std::mutex mutex;
  std::atomic<bool> failed{false};
#pragma omp parallel num_threads(threads) if (threads > 1)
  try {
    auto worker = make_worker();
    while (!failed && worker()) {
    }
  } catch (...) {
    const std::lock_guard lock(mutex);
    if (!failure) failure = std::current_exception();
    failed = true;
  }
  if (failure) std::rethrow_exception(failure);
}

/// Tasks 0 to n - 1, begun in this order, each by one of the workers that `make_worker()` makes, one a thread.
/// `waiting` more threads than there are cores work while others wait for a disk. The first exception ends the work and
/// is thrown.
template <class MakeWorker>
void parallel_tasks(std::int64_t n, int waiting, MakeWorker&& make_worker) {
  std::atomic<std::int64_t> next{0};
  parallel_workers(int(std::min<std::int64_t>(n, parallel_threads() + waiting)), [&] {
    return [&next, n, worker = make_worker()]() mutable {
      const std::int64_t i = next++;
      if (i < n) worker(i);
      return i < n;
    };
  });
}

}  // namespace modelgrow::inline v0
